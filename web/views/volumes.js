// Volumes: plain disks for servers.
import * as ask from '../dialogs.js';
import { button, bytes, empty, h, show, table, when } from '../dom.js';
import { state } from '../state.js';

export const title = 'Volumes';

export function render(root) {
  show(root,
    h('section', { class: 'tools' }, h('h1', {}, 'Volumes'), button('Create…', () => ask.createVolume(), { class: 'primary', 'data-key': 'create' })),
    state.volumes.length ? table('Volumes', [
      ['Name', (volume) => [h('strong', {}, volume.name), h('code', { class: 'line small' }, volume.target)]],
      ['Size', (volume) => bytes(volume.size_bytes), 'number'],
      ['May be used by', (volume) => (volume.initiators.length === 0 ? h('span', { class: 'hint' }, 'nobody') : volume.initiators.map((name) => h('span', { class: 'line' }, name === '*' ? 'everybody' : name)))],
      ['Sessions', (volume) => volume.sessions, 'number'],
      ['Created', (volume) => when(volume.created)],
      ['', (volume) => [
        button('Access…', () => ask.editVolume(volume), { 'data-key': `access-${volume.name}`, 'aria-label': `Who may use ${volume.name}` }),
        button('Delete…', () => ask.confirmRemoval(`Delete the volume ${volume.name}?`, 'Everything on it is lost. This cannot be undone.', 'Delete it', `volumes/${volume.name}`),
          { class: 'danger-text', 'data-key': `delete-${volume.name}`, 'aria-label': `Delete the volume ${volume.name}` })], 'end'],
    ], state.volumes, (volume) => volume.name)
      : empty('No volume yet', h('p', {}, 'A volume is an empty disk that a server or a machine uses over iSCSI, for its data. It is no boot disk.')));
}
