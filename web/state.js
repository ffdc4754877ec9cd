// What the page knows: filled by the event stream, read by the views.
import { announce, serverNow, setServerTime } from './dom.js';

const signOfLife = 45000; // a waiting PC asks again within this time

export const state = {
  connected: false,
  loaded: false,
  status: null,
  machines: new Map(),
  unknown: new Map(),
  sessions: new Map(),
  images: [],
  volumes: [],
  log: [],
  imports: new Map(), // started on this page: name -> { source, progress, error, abort }
  isWaiting: (unknown) => unknown.waiting && serverNow() - unknown.last_seen < signOfLife,
};

const listeners = new Set();
/** `listener` is called after each change, a few times a second at most. */
export const onChange = (listener) => listeners.add(listener);

let pending = false;
export function changed() {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    for (const listener of listeners) listener();
  }, 100);
}

const logKept = 500;

const handlers = {
  snapshot(data) {
    handlers.status(data.status);
    state.machines = new Map(data.machines.map((machine) => [machine.name, machine]));
    state.unknown = new Map(data.unknown.map((unknown) => [unknown.mac, unknown]));
    state.sessions = new Map(data.sessions.map((session) => [session.id, session]));
    state.images = data.images;
    state.volumes = data.volumes;
    state.log = data.log;
    state.loaded = true;
  },
  status(data) {
    state.status = data;
    setServerTime(data.time);
  },
  machine(data) {
    const before = state.machines.get(data.name);
    if (before && before.state !== data.state) announce(`${data.name}: ${data.state}`);
    state.machines.set(data.name, data);
  },
  machine_removed: (data) => state.machines.delete(data.name),
  unknown(data) {
    if (data.waiting && !state.unknown.get(data.mac)?.waiting) announce(`The PC ${data.mac} waits to be assigned.`);
    state.unknown.set(data.mac, data);
  },
  unknown_removed: (data) => state.unknown.delete(data.mac),
  boot() {},
  session: (data) => state.sessions.set(data.id, data),
  session_removed: (data) => state.sessions.delete(data.id),
  images(data) { state.images = data.images; },
  volumes(data) { state.volumes = data.volumes; },
  log(data) {
    state.log.push(data);
    if (state.log.length > logKept) state.log.splice(0, state.log.length - logKept);
  },
};

export function apply(name, data) {
  handlers[name](data);
  changed();
}
