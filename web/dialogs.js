// The one dialog of the page, and the questions that are asked in it. An error is shown in the dialog that caused it.
import * as api from './api.js';
import { announce, h } from './dom.js';
import { state } from './state.js';

const dialog = document.getElementById('dialog');

export function errorBox(error) {
  return h('div', { class: 'error', role: 'alert' },
    h('strong', {}, sentence(error.message)), error.remedy ? h('span', {}, ` ${sentence(error.remedy)}`) : null,
    error.problems?.length ? h('ul', {}, error.problems.map((problem) => h('li', {}, problem))) : null);
}

function sentence(text) {
  const first = text.charAt(0);
  return `${/^[a-z]/.test(text) ? first.toUpperCase() : first}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/** Asks. `action(values)` does it; the dialog closes when it succeeds. `body`: elements; fields have a `name`. */
export function ask({ title, body, confirm, danger, action, done }) {
  const problem = h('div', {});
  const submit = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, confirm);
  const form = h('form', {
    method: 'dialog',
    onsubmit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      problem.replaceChildren();
      try {
        await action(Object.fromEntries(new FormData(form)));
        dialog.close();
        if (done) announce(done);
      } catch (error) {
        if (!(error instanceof api.ApiError)) throw error;
        problem.replaceChildren(errorBox(error));
      } finally {
        submit.disabled = false;
      }
    },
  }, h('h2', { id: 'dialog-title' }, title), h('div', { class: 'fields' }, body), problem,
  h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Cancel'), submit));
  dialog.replaceChildren(form);
  dialog.showModal();
  form.querySelector('[data-first]')?.focus();
}
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});

export function field(label, input, hint) {
  const id = `field-${input.getAttribute('name')}`;
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null);
}

const choice = (name, value, checked, title, text) =>
  h('label', { class: 'choice' }, h('input', { type: 'radio', name, value, checked }), h('span', {}, h('strong', {}, title), h('span', { class: 'hint' }, text)));

function choices(legend, ...options) {
  return h('fieldset', { class: 'field' }, h('legend', {}, legend), options);
}

const modes = (chosen) => choices('Its disk',
  choice('mode', 'persistent', chosen !== 'reset', 'is kept', 'Every machine has its own overlay over the image; what it writes stays.'),
  choice('mode', 'reset', chosen === 'reset', 'starts afresh at each boot', 'What it writes is thrown away when it boots again. For classrooms and kiosks.'));

const namePattern = '[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?';
const macPattern = '[0-9A-Fa-f]{2}([:\\-]?[0-9A-Fa-f]{2}){5}';
const nameInput = (name, value, css) => h('input', {
  name, value: value || '', required: true, pattern: namePattern, maxlength: 63, autocomplete: 'off', spellcheck: 'false', class: css, 'data-first': true,
  title: 'small letters, digits and hyphens; it begins and ends with a letter or a digit',
});

function imageSelect(chosen) {
  if (state.images.length === 0) {
    return h('div', { class: 'field' }, h('p', { class: 'error' }, 'There is no image yet. ', h('a', { href: '#images', onclick: () => dialog.close() }, 'Import one first.')),
      h('input', { type: 'hidden', name: 'image', value: '' }));
  }
  const names = state.images.map((image) => image.name);
  if (chosen && !names.includes(chosen)) names.push(chosen);
  return field('Image', h('select', { name: 'image', required: true }, names.map((name) => h('option', { value: name, selected: name === chosen }, name))));
}

export function assign(unknown) {
  const name = nameInput('name', unknown?.proposed_name);
  const mac = unknown
    ? h('p', {}, 'The PC ', h('code', {}, unknown.mac), unknown.waiting ? ' waits. It starts as soon as it is assigned.' : ' becomes a machine of this server.')
    : field('Hardware address (MAC) of the PC', h('input', { name: 'mac', required: true, pattern: macPattern, placeholder: '52:54:00:aa:00:07', autocomplete: 'off', spellcheck: 'false' }),
      'It is on the PC’s screen when it boots from the network.');
  ask({
    title: unknown ? 'Assign this PC' : 'Add a machine',
    body: [mac, field('Name', name, 'Also its host name.'), imageSelect(), modes(),
      field('Address', h('input', { name: 'address', placeholder: 'from the pool', autocomplete: 'off', inputmode: 'decimal' }), 'Leave it empty for any free address.')],
    confirm: 'Assign',
    action: (values) => api.post('machines', {
      name: values.name, macs: [unknown ? unknown.mac : values.mac], image: values.image, mode: values.mode, address: values.address.trim() || null,
    }),
    done: 'Assigned.',
  });
  name.select();
}

/** As it can be typed again; not rounded. */
function quotaText(quota) {
  if (quota === null) return '';
  if (quota === 0) return 'none';
  const units = ['', 'K', 'M', 'G', 'T'];
  let unit = 0;
  for (; quota % 1024 === 0 && unit < units.length - 1; ++unit) quota /= 1024;
  return `${quota}${units[unit]}`;
}

export function edit(machine) {
  ask({
    title: `Change ${machine.name}`,
    body: [imageSelect(machine.image), h('p', { class: 'hint' }, 'Another image becomes effective when the machine’s disk is reset: it is made from the image.'), modes(machine.mode),
      field('Address', h('input', { name: 'address', value: machine.address || '', placeholder: 'from the pool', autocomplete: 'off', inputmode: 'decimal' })),
      field('Quota', h('input', { name: 'quota', value: quotaText(machine.quota_bytes), placeholder: 'the default', autocomplete: 'off' }), 'What its disk may take, such as 20G; none for no limit.')],
    confirm: 'Change',
    action: (values) => api.patch(`machines/${machine.name}`, { image: values.image, mode: values.mode, address: values.address.trim() || null,
      quota: values.quota.trim() === quotaText(machine.quota_bytes) ? undefined : values.quota.trim() || null }),
    done: `${machine.name} is changed.`,
  });
}

export function replace(machine, chosen) {
  const waiting = [...state.unknown.values()].filter((unknown) => state.isWaiting(unknown));
  const first = chosen || waiting[0]?.mac;
  const other = h('input', { name: 'other', pattern: macPattern, placeholder: '52:54:00:bb:00:07', autocomplete: 'off', spellcheck: 'false', 'aria-label': 'MAC of another PC' });
  const otherChoice = h('input', { type: 'radio', name: 'with', value: '', checked: !first });
  other.addEventListener('input', () => { otherChoice.checked = true; });
  ask({
    title: `Replace the PC of ${machine.name}`,
    body: [
      choices('The PC that takes its place',
        waiting.map((unknown) => choice('with', unknown.mac, unknown.mac === first, unknown.mac,
          [unknown.manufacturer, unknown.product, unknown.architecture].filter(Boolean).join(' · ') || 'waits')),
        h('label', { class: 'choice' }, otherChoice, h('span', {}, h('strong', {}, 'Another one'), other))),
      h('div', { class: 'consequences' }, h('p', {}, 'What happens:'), h('ul', {},
        h('li', {}, `The new PC starts from the disk of ${machine.name}, with its name and its address. Nothing on the disk changes.`),
        h('li', {}, 'The old PC (', h('code', {}, machine.macs.join(', ')), ') gets no disk any more. If it is switched on again, its screen says who took its place.'),
        machine.sessions > 0 ? h('li', { class: 'warn' }, `${machine.name} is connected right now. It is cut off at once.`) : null)),
    ],
    confirm: `Replace ${machine.name}`,
    danger: machine.sessions > 0,
    action: (values) => api.post(`machines/${machine.name}/replace`, { with: values.with || values.other.trim() }),
    done: `${machine.name} has a new PC.`,
  });
}

export function reset(machine) {
  ask({
    title: `Reset the disk of ${machine.name}?`,
    body: h('p', {}, `Everything that ${machine.name} has written is thrown away. At its next boot it starts from the image ${machine.image}.`,
      machine.sessions > 0 ? ' It is connected right now and is cut off at once.' : ''),
    confirm: 'Throw its disk away', danger: true,
    action: () => api.post(`machines/${machine.name}/reset`),
    done: `The disk of ${machine.name} is reset.`,
  });
}

export function removeMachine(machine) {
  ask({
    title: `Remove ${machine.name}?`,
    body: [h('p', {}, `The PC ${machine.macs.join(', ')} is unknown again, and its disk is deleted.`),
      h('label', { class: 'choice' }, h('input', { type: 'checkbox', name: 'keep', value: 'true' }),
        h('span', {}, h('strong', {}, 'Keep the disk'), h('span', { class: 'hint' }, `for a later machine with the name ${machine.name}`)))],
    confirm: `Remove ${machine.name}`, danger: true,
    action: (values) => api.remove(`machines/${machine.name}${values.keep ? '?keep_disk=true' : ''}`),
    done: `${machine.name} is removed.`,
  });
}

/** A plain "are you sure" for deletions. */
export function confirmRemoval(title, text, confirm, path) {
  ask({ title, body: h('p', {}, text), confirm, danger: true, action: () => api.remove(path), done: 'Done.' });
}

export function importImage(start) {
  const name = h('input', { name: 'name', required: true, pattern: '[a-z0-9]([a-z0-9._\\-]{0,61}[a-z0-9])?', placeholder: 'win11-lab', autocomplete: 'off', spellcheck: 'false', 'data-first': true });
  ask({
    title: 'Import an image',
    body: [field('Name', name), field('File on the server', h('input', { name: 'source', required: true, pattern: '/.*', placeholder: '/srv/images/win11.img', autocomplete: 'off', spellcheck: 'false' }),
      'A disk image with its full path: raw, VHDX, VHD, qcow2, VMDK or VDI. The file itself is not changed and not needed afterwards.')],
    confirm: 'Import', action: (values) => start(values.name, values.source),
  });
}

const whoHint = 'Machines, iSCSI initiator names, addresses (10.20.0.0/16) or MACs, separated by commas; * for everybody.';
const isoInput = (props) => h('input', { name: 'iso', pattern: '/.*', placeholder: '/srv/iso/debian-12.iso', autocomplete: 'off', spellcheck: 'false', ...props });
const sizeInput = (props) => h('input', { name: 'size', pattern: '[0-9]+(\\.[0-9]+)?\\s*[KkMmGgTt]?(i?[Bb])?', placeholder: '10G', autocomplete: 'off', ...props });

export function createVolume() {
  const size = field('Size', sizeInput({ required: true }), 'It takes up only what is written.');
  const iso = field('ISO image on the server', isoInput(), 'With its full path. The file stays where it is and is not changed.');
  iso.hidden = true;
  const kinds = choices('What it is',
    choice('kind', 'disk', true, 'A disk', 'for data; kept'),
    choice('kind', 'volatile', false, 'A volatile disk', 'in memory; empty at each start of the server'),
    choice('kind', 'cdrom', false, 'A CD-ROM', 'an ISO image, to install from'));
  kinds.addEventListener('change', (event) => {
    const isCdrom = event.target.value === 'cdrom';
    for (const [part, wanted] of [[iso, isCdrom], [size, !isCdrom]]) {
      part.hidden = !wanted;
      part.querySelector('input').required = wanted;
    }
  });
  ask({
    title: 'Create a volume',
    body: [field('Name', h('input', { name: 'name', required: true, pattern: '[a-z0-9]([a-z0-9._\\-]{0,61}[a-z0-9])?', placeholder: 'data', autocomplete: 'off', spellcheck: 'false', 'data-first': true })),
      kinds, size, iso,
      field('Who may use it', h('input', { name: 'initiators', placeholder: 'lab1-07, iqn.1993-08.org.debian:01:server', autocomplete: 'off', spellcheck: 'false' }), whoHint)],
    confirm: 'Create',
    action: (values) => api.post('volumes', {
      name: values.name, initiators: names(values.initiators),
      ...(values.kind === 'cdrom' ? { iso: values.iso.trim() } : { size: values.size.trim(), volatile: values.kind === 'volatile' }),
    }),
    done: 'The volume is created.',
  });
}

export function editVolume(volume) {
  const secret = h('input', { name: 'secret', type: 'password', autocomplete: 'new-password', placeholder: volume.chap_user ? 'unchanged' : '', minlength: 12, maxlength: 255 });
  ask({
    title: `Change ${volume.name}`,
    body: [
      field('Who may use it', h('input', { name: 'initiators', value: volume.initiators.join(', '), autocomplete: 'off', spellcheck: 'false', 'data-first': true }), whoHint),
      field('CHAP user', h('input', { name: 'user', value: volume.chap_user || '', maxlength: 255, autocomplete: 'off', spellcheck: 'false' }), 'Whom an initiator must prove to be. Empty: no proof is asked for.'),
      field('CHAP secret', secret, 'At least 12 characters.'),
      volume.iso ? field('ISO image on the server', isoInput({ value: volume.iso, required: true }), 'Its sessions end when it is another one, or was changed.') : null,
      volume.kind === 'disk' ? field('Larger', sizeInput(), 'A new size, also while it is in use. It never shrinks.') : null,
      volume.iso ? null : h('label', { class: 'choice' }, h('input', { type: 'checkbox', name: 'read_only', value: 'true', checked: volume.read_only }),
        h('span', {}, h('strong', {}, 'Read-only'), h('span', { class: 'hint' }, 'Its sessions end when this changes.'))),
    ],
    confirm: 'Change',
    action: (values) => api.patch(`volumes/${volume.name}`, volumeChange(volume, values)),
    done: `${volume.name} is changed.`,
  });
}

/** What of `values` differs from what the volume is. */
function volumeChange(volume, values) {
  const change = { initiators: names(values.initiators) };
  const user = values.user.trim();
  if (!user && volume.chap_user) Object.assign(change, { chap: null, mutual_chap: null });
  if (user && (values.secret || user !== volume.chap_user)) change.chap = { user, secret: values.secret };
  if (volume.iso) change.iso = values.iso.trim();
  else if (Boolean(values.read_only) !== volume.read_only) change.read_only = Boolean(values.read_only);
  if (values.size?.trim()) change.size = values.size.trim();
  return change;
}

const names = (text) => text.split(/[\s,]+/).filter(Boolean);
