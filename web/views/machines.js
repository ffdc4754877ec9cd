// Machines and the PCs that wait to become one.
import * as api from '../api.js';
import * as ask from '../dialogs.js';
import { ago, button, empty, h, lasting, show, use, when } from '../dom.js';
import { changed, state } from '../state.js';
import { progress, stageText, timeline } from './boot.js';

export const title = 'Machines';

const stateNames = { off: 'Off', booting: 'Booting', running: 'Running', failed: 'Failed' };
const order = ['failed', 'booting', 'running', 'off'];

let filter = '';
let only = '';
let open = null;              // name of the machine whose details are shown
const histories = new Map();  // name -> { boots } or { error }

export function render(root) {
  if (!root.querySelector('#machine-list')) {
    root.replaceChildren(h('section', { id: 'waiting', 'aria-label': 'PCs that wait' }), h('section', { id: 'machine-tools', class: 'tools' }), h('div', { id: 'machine-list' }));
    const search = h('input', { type: 'search', placeholder: 'Name, MAC, image…', 'aria-label': 'Filter the machines', value: filter });
    search.addEventListener('input', () => {
      filter = search.value.trim().toLowerCase();
      changed();
    });
    root.querySelector('#machine-tools').append(h('h1', {}, 'Machines'), h('div', { class: 'chips', role: 'group', 'aria-label': 'State' }), search,
      button('Add a machine', () => ask.assign(), { class: 'quiet' }));
  }
  showUnknown(root.querySelector('#waiting'));
  root.querySelector('#machine-tools').hidden = state.machines.size === 0;
  showChips(root.querySelector('.chips'));
  showMachines(root.querySelector('#machine-list'));
}

function showUnknown(root) {
  const all = [...state.unknown.values()].sort((a, b) => state.isWaiting(b) - state.isWaiting(a) || b.last_seen - a.last_seen);
  const waiting = all.filter(state.isWaiting);
  if (all.length === 0) return show(root);
  const seen = all.filter((unknown) => !state.isWaiting(unknown));
  const heading = waiting.length === 1 ? 'A PC waits to be assigned' : `${waiting.length} PCs wait to be assigned`;
  show(root, waiting.length ? [h('h2', { class: 'call' }, heading), h('div', { class: 'cards' }, waiting.map(card))] : null,
    seen.length ? h('details', { class: 'seen', open: root.querySelector('details.seen')?.open }, h('summary', { 'data-key': 'seen' },
      seen.length === 1 ? 'One other unknown PC was seen' : `${seen.length} other unknown PCs were seen`), h('div', { class: 'cards' }, seen.map(card))) : null);
}

function card(unknown) {
  const waiting = state.isWaiting(unknown);
  const model = [unknown.manufacturer, unknown.product].filter(Boolean).join(' ');
  return h('article', { class: `card ${waiting ? 'waits' : ''}`, 'data-mac': unknown.mac },
    h('div', { class: 'card-head' }, h('code', { class: 'mac' }, unknown.mac), waiting ? h('span', { class: 'badge waits' }, 'waits') : h('span', { class: 'hint' }, when(unknown.last_seen))),
    h('p', {}, model || 'Unknown model', unknown.serial ? h('span', { class: 'hint' }, ` · ${unknown.serial}`) : null),
    h('p', { class: 'hint' }, [unknown.architecture, unknown.address, `first seen ${ago(unknown.first_seen)}`].filter(Boolean).join(' · ')),
    h('div', { class: 'buttons' },
      button('Forget', () => ask.confirmRemoval('Forget this PC?', `${unknown.mac} disappears from this list until it asks to boot again.`, 'Forget it', `unknown/${unknown.mac}`),
        { class: 'quiet', 'data-key': `forget-${unknown.mac}` }),
      state.machines.size ? button('Replaces…', () => chooseMachine(unknown), { 'data-key': `replaces-${unknown.mac}` }) : null,
      button('Assign…', () => ask.assign(unknown), { class: 'primary', 'data-key': `assign-${unknown.mac}` })));
}

/** From the PC's side: whose place does it take? */
function chooseMachine(unknown) {
  const machines = [...state.machines.values()].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.name.localeCompare(b.name));
  ask.ask({
    title: 'Which machine does it replace?',
    body: ask.field('Machine', h('select', { name: 'machine', 'data-first': true }, machines.map((machine) => h('option', { value: machine.name },
      `${machine.name} (${stateNames[machine.state].toLowerCase()})`))), `The PC ${unknown.mac} takes its place. What that means is asked next.`),
    confirm: 'Next',
    action: async (values) => setTimeout(() => ask.replace(state.machines.get(values.machine), unknown.mac)),
  });
}

function showChips(root) {
  const counts = Object.fromEntries(order.map((name) => [name, 0]));
  for (const machine of state.machines.values()) ++counts[machine.state];
  const chip = (name, label, count) => h('button', {
    type: 'button', class: `chip ${name}`, 'aria-pressed': String(only === name), 'data-key': `chip-${name}`,
    onclick: () => { only = only === name ? '' : name; changed(); },
  }, label, h('span', { class: 'count' }, count));
  show(root, order.filter((name) => counts[name] > 0).map((name) => chip(name, stateNames[name], counts[name])));
}

function showMachines(root) {
  if (state.machines.size === 0) return show(root, newcomer());
  const wanted = [...state.machines.values()].filter((machine) => (!only || machine.state === only)
    && (!filter || `${machine.name} ${machine.macs.join(' ')} ${machine.image} ${machine.address || ''}`.toLowerCase().includes(filter)))
    .sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  if (wanted.length === 0) return show(root, h('p', { class: 'nothing' }, 'No machine matches.'));
  show(root, h('ul', { class: 'machines' }, wanted.map(row)));
}

const modeTags = { reset: 'Its disk starts afresh at each boot', maintenance: 'It writes the next version of its image' };
const disks = { persistent: 'is kept', reset: 'starts afresh at each boot', maintenance: 'becomes the next version of its image; its own is put aside' };

function row(machine) {
  const opened = open === machine.name;
  return h('li', { class: `machine ${machine.state}`, 'data-machine': machine.name },
    h('div', { class: 'machine-row' },
      h('button', { type: 'button', class: 'name', 'aria-expanded': String(opened), 'data-key': `open-${machine.name}`, onclick: () => toggle(machine.name) },
        h('span', { class: `dot ${machine.state}`, 'aria-hidden': 'true' }), machine.name),
      h('span', { class: 'state' }, stateNames[machine.state]),
      h('span', { class: 'what' }, h('span', {}, machine.image, modeTags[machine.mode] ? h('span', { class: 'tag', title: modeTags[machine.mode] }, machine.mode) : null),
        h('code', { class: 'mac' }, machine.macs[0], machine.macs.length > 1 ? ` +${machine.macs.length - 1}` : ''),
        machine.disk.full || machine.disk.alarm ? h('span', { class: machine.disk.full ? 'tag full' : 'tag warn' }, machine.disk.full ? 'disk full' : `disk above ${machine.disk.alarm} %`) : null),
      h('span', { class: 'way' }, way(machine)),
      h('span', { class: 'actions' },
        button('Replace…', () => ask.replace(machine), { 'data-key': `replace-${machine.name}`, 'aria-label': `Replace the PC of ${machine.name}` }),
        button(opened ? 'Less' : 'More', () => toggle(machine.name), { class: 'quiet', 'data-key': `more-${machine.name}`, 'aria-label': `${opened ? 'Less' : 'More'} of ${machine.name}` }))),
    opened ? details(machine) : null);
}

function way(machine) {
  const { boot } = machine;
  if (!boot) return h('span', { class: 'hint' }, 'has not booted yet');
  if (machine.state === 'failed') return [progress(boot), h('span', { class: 'why' }, boot.reason || 'failed')];
  const text = machine.state === 'booting' ? stageText(boot) : machine.state === 'running' ? when(boot.started, lasting(boot.started)) : ['booted ', when(boot.started)];
  return [progress(boot), h('span', { class: 'hint' }, text)];
}

function toggle(name) {
  open = open === name ? null : name;
  if (open) loadHistory(name);
  changed();
}

async function loadHistory(name) {
  try {
    histories.set(name, { boots: (await api.get(`boots?machine=${encodeURIComponent(name)}&limit=6`)).boots });
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    histories.set(name, { error });
  }
  changed();
}

function details(machine) {
  const sessions = [...state.sessions.values()].filter((session) => session.machine === machine.name);
  const history = histories.get(machine.name);
  const fact = (label, ...value) => h('div', {}, h('dt', {}, label), h('dd', {}, value));
  return h('div', { class: 'machine-details' },
    h('dl', { class: 'facts' },
      fact('Hardware', machine.macs.map((mac) => h('code', { class: 'mac' }, mac)), machine.generation > 1 ? h('span', { class: 'hint' }, ` PC number ${machine.generation}`) : null),
      fact('Image', machine.image), fact('Disk', `${disks[machine.mode]}, `, use(machine.disk), machine.group ? h('span', { class: 'hint' }, ` in group ${machine.group}`) : null), fact('Address', machine.address || 'from the pool'),
      fact('Target', h('code', {}, machine.target)), fact('Initiator', h('code', {}, machine.initiator)),
      sessions.length ? fact('Sessions', sessions.map((session) => h('span', { class: 'line' }, `${session.address} `, when(session.since, lasting(session.since))))) : null,
      machine.retired.length ? fact('Replaced PCs', machine.retired.map((old) => h('span', { class: 'line' }, h('code', { class: 'mac' }, old.mac), ' ', when(old.when)))) : null),
    machine.boot ? timeline(machine.boot) : h('p', { class: 'hint' }, 'It has not booted yet. Switch the PC on and let it boot from the network.'),
    history?.error ? ask.errorBox(history.error) : null,
    history?.boots?.length > 1 ? h('details', { class: 'seen', open: histories.get(machine.name).open },
      h('summary', { 'data-key': `history-${machine.name}`, onclick: () => { history.open = !history.open; } }, 'Earlier boots'),
      history.boots.filter((boot) => boot.id !== machine.boot?.id).map(timeline)) : null,
    h('div', { class: 'buttons' },
      button('Change…', () => ask.edit(machine), { 'data-key': `edit-${machine.name}` }),
      button('Reset the disk…', () => ask.reset(machine), { 'data-key': `reset-${machine.name}` }),
      button('Remove…', () => ask.removeMachine(machine), { class: 'danger-text', 'data-key': `remove-${machine.name}` })));
}

function newcomer() {
  const step = (number, done, heading, ...text) => h('li', { class: done ? 'done' : null }, h('span', { class: 'number', 'aria-hidden': 'true' }, done ? '✓' : number), h('div', {}, h('h3', {}, heading), text));
  const hasImage = state.images.length > 0;
  return empty('No machine yet: three steps to the first one',
    h('ol', { class: 'steps' },
      step(1, hasImage, 'Import an image', h('p', {}, hasImage ? `There is one: ${state.images[0].name}.` : ['The system disk that all machines start from. ', h('a', { href: '#images' }, 'Import one here'), ' or with'],
        hasImage ? null : h('code', { class: 'block' }, 'rootstock image import DISK.img --name win11'))),
      step(2, state.unknown.size > 0, 'Switch on a PC', h('p', {}, 'Choose “boot from network” (PXE) in its firmware. It shows its hardware address, appears here, and waits.')),
      step(3, false, 'Assign it', h('p', {}, 'Press ', h('strong', {}, 'Assign'), ', give it a name and an image: it starts by itself, without being switched off.'),
        h('p', { class: 'hint' }, 'If you know its hardware address already: ', button('Add a machine', () => ask.assign(), { class: 'link-button', 'data-key': 'add' })))));
}
