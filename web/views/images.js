// Images, and imports under way.
import * as api from '../api.js';
import * as ask from '../dialogs.js';
import { announce, button, bytes, duration, empty, h, show, table, when } from '../dom.js';
import { changed, state } from '../state.js';

export const title = 'Images';

export function render(root) {
  show(root,
    h('section', { class: 'tools' }, h('h1', {}, 'Images'), button('Import…', () => ask.importImage(start), { class: 'primary', 'data-key': 'import' })),
    [...state.imports].map(([name, running]) => importing(name, running)),
    state.images.length ? [table('Images', [
      ['Name', (image) => [h('strong', {}, image.name), h('span', { class: 'hint' }, ` version ${image.version}`)]],
      ['Size', (image) => bytes(image.size_bytes), 'number'],
      ['Stored', (image) => bytes(image.stored_bytes), 'number'],
      ['Imported', (image) => when(image.created)],
      ['Contents', (image) => contents(image.content)],
      ['Machines', (image) => used(image)],
      ['', (image) => button('Delete…', () => ask.confirmRemoval(`Delete the image ${image.name}?`, 'Its file is deleted from the server. This cannot be undone.', 'Delete it', `images/${image.name}`),
        { class: 'danger-text', 'data-key': `delete-${image.name}`, 'aria-label': `Delete the image ${image.name}` }), 'end'],
    ], state.images, (image) => image.name), state.images.filter(hasHistory).map(versions)]
      : state.imports.size ? null
        : empty('No image yet', h('p', {}, 'An image is the system disk that machines start from: a disk image (raw, VHDX, VHD, qcow2, VMDK, VDI) of an installed system. All machines share it; each keeps only what it changes itself.'),
          h('p', {}, 'Put the file on the server and press ', h('strong', {}, 'Import'), ', or use the command line:'), h('code', { class: 'block' }, 'rootstock image import DISK.img --name win11')));
}

const hasHistory = (image) => image.versions.length > 1 || image.maintenance || image.versions.some((version) => version.trace);

/** The versions of an image: who stands on them, who writes the next one, and what became of the last release. */
function versions(image) {
  const writer = image.maintenance?.machine;
  const release = image.releases.at(-1);
  return h('section', { class: 'card', 'data-versions': image.name },
    h('div', { class: 'card-head' }, h('strong', {}, `Versions of ${image.name}`),
      writer ? [h('span', { class: 'badge waits' }, `${writer} writes the next one`),
        button('Publish…', () => publish(image), { class: 'primary', 'data-key': `publish-${image.name}`, 'aria-label': `Publish the next version of ${image.name}` })] : null),
    release ? h('p', { class: 'hint' }, `Last release: version ${release.version}, ${release.state.replace('_', ' ')}. ${release.boots.good} boots reached running, ${release.boots.bad} did not.`,
      release.detail ? ` ${release.detail}.` : '') : null,
    table(`Versions of ${image.name}`, [
      ['Version', (version) => [h('strong', {}, `${version.number} `), version.current ? h('span', { class: 'badge running' }, 'current') : null]],
      ['Made', (version) => when(version.created)],
      ['Stored', (version) => bytes(version.stored_bytes), 'number'],
      ['Boots with', (version) => boots(image, version)],
      ['Disks on it', (version) => version.machines.join(', ') || h('span', { class: 'hint' }, 'none')],
      ['', (version) => (version.current ? null : button('Roll back…', () => rollBack(image, version), { 'data-key': `rollback-${image.name}-${version.number}`, 'aria-label': `Roll ${image.name} back to version ${version.number}` })), 'end'],
    ], image.versions, (version) => version.number));
}

/** What a boot of the version reads, and whether that is kept in memory. */
function boots(image, version) {
  const { trace, warm } = version;
  if (!trace) return h('span', { class: 'hint' }, 'not seen yet');
  const label = `version ${version.number} of ${image.name}`;
  const key = `${image.name}-${version.number}`;
  return [`${bytes(trace.bytes)} in ${trace.reads.toLocaleString('en')} ${trace.reads === 1 ? 'read' : 'reads'} `,
    warm ? [h('span', { class: 'badge running', title: `${bytes(warm.pinned_bytes)} of it pinned` }, `warm: ${bytes(warm.resident_bytes)} of ${bytes(warm.bytes)}`),
      button('Let go…', () => cool(image, version), { 'data-key': `cool-${key}`, 'aria-label': `Keep ${label} in memory no longer` })]
      : button('Keep warm…', () => keepWarm(image, version), { 'data-key': `warm-${key}`, 'aria-label': `Keep ${label} in memory` })];
}

function keepWarm(image, version) {
  ask.ask({
    title: `Keep version ${version.number} of ${image.name} warm?`,
    body: h('p', {}, `The ${bytes(version.trace.block_bytes)} in which everything lies that it boots with are loaded into the server's memory and stay there, until they are let go or the server ends.`),
    confirm: 'Keep it warm',
    action: () => api.warm(image.name, version.number),
    done: `Version ${version.number} of ${image.name} is warm.`,
  });
}

function cool(image, version) {
  ask.ask({
    title: `Keep version ${version.number} of ${image.name} in memory no longer?`,
    body: h('p', {}, 'Its next boots read from the disk what is not in memory by then.'),
    confirm: 'Let it go',
    action: () => api.remove(`images/${image.name}/warm?version=${version.number}`),
    done: `Version ${version.number} of ${image.name} is let go.`,
  });
}

function rollBack(image, version) {
  ask.ask({
    title: `Make version ${version.number} of ${image.name} current?`,
    body: h('p', {}, `New disks stand on version ${version.number}; machines that start afresh at each boot get it at their next one. Releases of ${image.name} end.`),
    confirm: `Use version ${version.number}`,
    action: () => api.post(`images/${image.name}/rollback`, { to: version.number }),
    done: `Version ${version.number} of ${image.name} is current.`,
  });
}

/** Shows first what would change; a machine that still runs is the dialog's error. */
function publish(image) {
  const changes = h('p', { class: 'hint' }, 'Looking at what has changed…');
  ask.ask({
    title: `Publish the next version of ${image.name}?`,
    body: changes,
    confirm: 'Publish',
    action: () => api.publish(image.name, false),
    done: `${image.name} has a new version.`,
  });
  api.publish(image.name, true).then((would) => {
    const partitions = would.changes.partitions.filter((partition) => partition.changed_bytes).map((partition) => `${partition.type} ${bytes(partition.changed_bytes)}`);
    changes.textContent = `Version ${would.version}: ${bytes(would.changes.changed_bytes)} changed${partitions.length ? ` (${partitions.join(', ')})` : ''}. `
      + `${would.at_next_boot.length} machines move at their next boot, ${would.stay.length} keep their own disks.`;
  }, (error) => {
    if (!(error instanceof api.ApiError)) throw error;
    changes.replaceChildren(ask.errorBox(error));
  });
}

function contents(content) {
  if (content.problem) return h('strong', { class: 'danger-text', title: 'No disk is opened on it. Put a sound copy in its place, then verify the image.' }, content.problem);
  if (content.damage.length) return h('strong', { class: 'danger-text', title: content.damage.map((range) => `${bytes(range.length)} at byte ${range.offset}`).join(', ') }, 'damaged');
  if (content.verifying_bytes !== null) return h('span', { class: 'hint' }, `${bytes(content.verifying_bytes)} verified`);
  return content.verified ? `verified ${when(content.verified)}` : h('span', { class: 'hint' }, content.digest ? 'as imported' : 'to be verified');
}

function used(image) {
  const names = new Set(image.machines);
  for (const machine of state.machines.values()) if (machine.image === image.name) names.add(machine.name);
  if (names.size === 0) return h('span', { class: 'hint' }, 'none');
  const sorted = [...names].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  return sorted.length > 4 ? h('span', { title: sorted.join(', ') }, `${sorted.length} machines`) : sorted.join(', ');
}

function importing(name, running) {
  const { progress, error } = running;
  const share = progress?.total_bytes ? progress.done_bytes / progress.total_bytes : null;
  const left = share > 0.02 ? ((Date.now() - running.started) / share) * (1 - share) : null;
  return h('section', { class: 'card', 'data-import': name },
    h('div', { class: 'card-head' }, h('strong', {}, error ? `The import of ${name} failed` : `Importing ${name}`),
      error ? button('Close', () => { state.imports.delete(name); changed(); }, { class: 'quiet', 'data-key': `close-${name}` })
        : button('Cancel', () => running.abort.abort(), { class: 'quiet', 'data-key': `cancel-${name}` })),
    error ? ask.errorBox(error) : [
      h('progress', { max: 1, value: share === null ? undefined : share, 'aria-label': `Import of ${name}` }),
      h('p', { class: 'hint' }, progress ? `${bytes(progress.done_bytes)}${progress.total_bytes ? ` of ${bytes(progress.total_bytes)}` : ''}, ${bytes(progress.stored_bytes)} stored${left ? `, ${duration(left)} left` : ''}` : `Reading ${running.source}`)]);
}

/** Resolves when the import has begun; a refusal (name, path) rejects, so that the dialog shows it. */
function start(name, source) {
  const running = { source, progress: null, error: null, abort: new AbortController(), started: Date.now() };
  return new Promise((resolve, reject) => {
    const begun = () => {
      state.imports.set(name, running);
      changed();
      resolve();
    };
    const timer = setTimeout(begun, 400); // no refusal so far
    api.importImage(name, source, (progress) => {
      running.progress = progress;
      clearTimeout(timer);
      begun();
    }, running.abort.signal).then(() => {
      clearTimeout(timer);
      resolve();
      state.imports.delete(name);
      announce(`The image ${name} is imported.`);
      changed();
    }, (error) => {
      clearTimeout(timer);
      if (error.name === 'AbortError') state.imports.delete(name);
      else if (state.imports.has(name)) running.error = error;
      else reject(error);
      changed();
    });
  });
}
