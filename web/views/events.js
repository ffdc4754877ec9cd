// What happened: the server's log events, newest first.
import { clock, empty, h, show } from '../dom.js';
import { changed, state } from '../state.js';

export const title = 'Events';

let only = '';

export function render(root) {
  if (!root.querySelector('#event-list')) {
    const filter = h('input', { type: 'search', placeholder: 'Filter: a name, an address, a word…', 'aria-label': 'Filter the events', value: only });
    filter.addEventListener('input', () => {
      only = filter.value.trim().toLowerCase();
      changed();
    });
    root.replaceChildren(h('section', { class: 'tools' }, h('h1', {}, 'Events'), filter), h('div', { id: 'event-list' }));
  }
  const matches = (event) => !only || `${event.event} ${Object.entries(event.fields).flat().join(' ')}`.toLowerCase().includes(only);
  const events = state.log.filter(matches).slice(-200).reverse();
  show(root.querySelector('#event-list'), events.length ? h('ol', { class: 'events' }, events.map((event) => h('li', {},
    h('time', { datetime: new Date(event.when).toISOString(), title: new Date(event.when).toLocaleString() }, clock(event.when)),
    h('span', { class: `badge ${event.level}` }, event.level),
    h('span', { class: 'event' }, h('strong', {}, event.event), ' ',
      Object.entries(event.fields).map(([key, text]) => h('span', { class: 'pair' }, h('span', { class: 'hint' }, `${key} `), String(text)))))))
    : empty(only ? 'No event matches' : 'No event yet', h('p', {}, only ? 'Clear the filter to see all.' : 'What the server does appears here.')));
}
