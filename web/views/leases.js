// DHCP leases: asked for when the view is opened and every ten seconds, because the event stream does not carry them.
import * as api from '../api.js';
import { errorBox } from '../dialogs.js';
import { empty, h, roughly, serverNow, show, table } from '../dom.js';

export const title = 'Leases';

let leases = null;
let error = null;
let asked = 0;

async function load(changed) {
  asked = Date.now();
  try {
    ({ leases } = await api.get('leases'));
    error = null;
  } catch (failure) {
    if (!(failure instanceof api.ApiError)) throw failure;
    error = failure;
  }
  changed();
}

let again = () => {};
export function enter(changed) {
  again = () => load(changed);
  again();
}

const left = (lease) => {
  const ms = lease.expires - serverNow();
  return ms > 0 ? `for ${roughly(ms)}` : 'over';
};

export function render(root) {
  if (Date.now() - asked > 10000) again();
  show(root, h('section', { class: 'tools' }, h('h1', {}, 'Leases')), error ? errorBox(error) : null,
    leases === null ? h('p', { class: 'nothing' }, 'Loading…')
      : leases.length ? table('Leases', [
        ['Address', (lease) => h('strong', {}, lease.address)],
        ['Hardware', (lease) => h('code', { class: 'mac' }, lease.mac)],
        ['Machine', (lease) => lease.machine || h('span', { class: 'hint' }, 'none')],
        ['Host name', (lease) => lease.host_name],
        ['Valid', (lease) => h('span', { title: new Date(lease.expires).toLocaleString() }, left(lease))],
      ], leases, (lease) => lease.address)
        : empty('No lease', h('p', {}, 'No address is leased. PCs get one when they boot from the network.')));
}
