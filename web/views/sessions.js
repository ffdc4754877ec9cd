// iSCSI sessions.
import * as ask from '../dialogs.js';
import { button, empty, h, show, table, when } from '../dom.js';
import { state } from '../state.js';

export const title = 'Sessions';

export function render(root) {
  const sessions = [...state.sessions.values()].sort((a, b) => a.id - b.id);
  show(root,
    h('section', { class: 'tools' }, h('h1', {}, 'Sessions')),
    sessions.length ? table('Sessions', [
      ['Disk', (session) => [h('strong', {}, session.machine || session.volume), h('span', { class: 'hint' }, session.machine ? ' machine' : ' volume')]],
      ['From', (session) => [session.address, h('code', { class: 'line small' }, session.initiator)]],
      ['Portal', (session) => session.portal],
      ['Since', (session) => when(session.since)],
      ['', (session) => button('End…', () => ask.confirmRemoval('End this session?', 'A system that runs from this disk stops for a moment and logs in again by itself.', 'End it', `sessions/${session.id}`),
        { class: 'danger-text', 'data-key': `end-${session.id}`, 'aria-label': `End the session of ${session.machine || session.volume}` }), 'end'],
    ], sessions, (session) => session.id)
      : empty('No session', h('p', {}, 'Nothing uses a disk of this server right now. A PC that boots, or a server that logs in to a volume, appears here.')));
}
