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
    state.images.length ? table('Images', [
      ['Name', (image) => [h('strong', {}, image.name), h('span', { class: 'hint' }, ` version ${image.version}`)]],
      ['Size', (image) => bytes(image.size_bytes), 'number'],
      ['Stored', (image) => bytes(image.stored_bytes), 'number'],
      ['Imported', (image) => when(image.created)],
      ['Machines', (image) => used(image)],
      ['', (image) => button('Delete…', () => ask.confirmRemoval(`Delete the image ${image.name}?`, 'Its file is deleted from the server. This cannot be undone.', 'Delete it', `images/${image.name}`),
        { class: 'danger-text', 'data-key': `delete-${image.name}`, 'aria-label': `Delete the image ${image.name}` }), 'end'],
    ], state.images, (image) => image.name)
      : state.imports.size ? null
        : empty('No image yet', h('p', {}, 'An image is the system disk that machines start from: a disk image (raw, VHDX, VHD, qcow2, VMDK, VDI) of an installed system. All machines share it; each keeps only what it changes itself.'),
          h('p', {}, 'Put the file on the server and press ', h('strong', {}, 'Import'), ', or use the command line:'), h('code', { class: 'block' }, 'rootstock image import DISK.img --name win11')));
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
      h('p', { class: 'hint' }, progress ? `${bytes(progress.done_bytes)} of ${bytes(progress.total_bytes)}, ${bytes(progress.stored_bytes)} stored${left ? `, ${duration(left)} left` : ''}` : `Reading ${running.source}`)]);
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
