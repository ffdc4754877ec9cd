// Volumes: plain disks and CD-ROMs for servers.
import * as ask from '../dialogs.js';
import { button, bytes, empty, h, show, table, when } from '../dom.js';
import { state } from '../state.js';

export const title = 'Volumes';

const kindNames = { disk: 'Disk', volatile: 'Volatile', cdrom: 'CD-ROM' };

export function render(root) {
  show(root,
    h('section', { class: 'tools' }, h('h1', {}, 'Volumes'), button('Create…', () => ask.createVolume(), { class: 'primary', 'data-key': 'create' })),
    state.volumes.length ? table('Volumes', [
      ['Name', (volume) => [h('strong', {}, volume.name), h('code', { class: 'line small' }, volume.target)]],
      ['Kind', (volume) => kind(volume)],
      ['Size', (volume) => bytes(volume.size_bytes), 'number'],
      ['May be used by', (volume) => users(volume)],
      ['Sessions', (volume) => sessions(volume)],
      ['Created', (volume) => when(volume.created)],
      ['', (volume) => [
        button('Change…', () => ask.editVolume(volume), { 'data-key': `change-${volume.name}`, 'aria-label': `Change the volume ${volume.name}` }),
        button('Delete…', () => ask.confirmRemoval(`Delete the volume ${volume.name}?`,
          volume.iso ? 'Nobody can use it any more. The ISO image itself stays.' : 'Everything on it is lost. This cannot be undone.', 'Delete it', `volumes/${volume.name}`),
        { class: 'danger-text', 'data-key': `delete-${volume.name}`, 'aria-label': `Delete the volume ${volume.name}` })], 'end'],
    ], state.volumes, (volume) => volume.name)
      : empty('No volume yet', h('p', {}, 'A volume is an empty disk that a server or a machine uses over iSCSI, for its data, or a CD-ROM with an ISO image. It is no boot disk of a machine.')));
}

function kind(volume) {
  return [kindNames[volume.kind],
    volume.read_only && !volume.iso ? h('span', { class: 'tag' }, 'read-only') : null,
    volume.block_size === 4096 ? h('span', { class: 'tag' }, '4Kn') : null,
    volume.iso ? h('code', { class: 'line small' }, volume.iso) : null,
    volume.moved_to ? h('span', { class: 'line' }, h('span', { class: 'badge waits' }, 'moved'), ' to ', h('code', {}, volume.moved_to)) : null];
}

function users(volume) {
  if (volume.initiators.length === 0) return h('span', { class: 'hint' }, 'nobody');
  return [volume.initiators.map((name) => h('span', { class: 'line' }, name === '*' ? 'everybody' : name)),
    volume.chap_user ? h('span', { class: 'line small' }, `who proves to be ${volume.chap_user} (CHAP)`) : null];
}

function sessions(volume) {
  const own = [...state.sessions.values()].filter((session) => session.volume === volume.name).sort((a, b) => a.id - b.id);
  const shown = 3;
  if (own.length === 0) return h('span', { class: 'hint' }, 'none');
  return [own.slice(0, shown).map((session) => h('span', { class: 'line', title: session.initiator }, session.address)),
    own.length > shown ? h('a', { class: 'line small', href: '#sessions' }, `${own.length} in all`) : null];
}
