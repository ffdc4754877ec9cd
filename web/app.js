// The page: follows the event stream, shows the view that the address names (#machines, #images, ...).
import { follow } from './api.js';
import { h, show, use, when } from './dom.js';
import { apply, changed, onChange, state } from './state.js';
import * as events from './views/events.js';
import * as images from './views/images.js';
import * as leases from './views/leases.js';
import * as machines from './views/machines.js';
import * as sessions from './views/sessions.js';
import * as volumes from './views/volumes.js';

const views = { machines, images, volumes, sessions, leases, events };
const counts = {
  machines: () => state.machines.size,
  images: () => state.images.length,
  volumes: () => state.volumes.length,
  sessions: () => state.sessions.size,
};

const main = document.getElementById('main');
const current = () => (location.hash.slice(1) in views ? location.hash.slice(1) : 'machines');

function showTabs() {
  show(document.getElementById('tabs'), Object.entries(views).map(([name, view]) => h('a',
    { href: `#${name}`, 'data-key': `tab-${name}`, 'aria-current': name === current() ? 'page' : null },
    view.title, counts[name] && state.loaded ? h('span', { class: 'count' }, counts[name]()) : null)));
}

function showFrame() {
  const link = document.getElementById('link');
  const text = state.connected ? 'Live' : state.loaded ? 'Connection lost' : 'Connecting';
  if (link.textContent !== text) link.textContent = text;
  link.className = `link ${state.connected ? 'on' : 'off'}`;
  const banner = document.getElementById('banner');
  banner.hidden = state.connected || !state.loaded;
  if (!banner.hidden && !banner.textContent) banner.textContent = 'The server does not answer. What you see is not up to date; this page tries again by itself.';
  if (banner.hidden) banner.textContent = '';
  if (!state.status) return;
  const { name, version, url, started, data, space } = state.status;
  document.getElementById('server-name').textContent = name;
  document.title = `${name} · ${views[current()].title}`;
  show(document.getElementById('foot'), h('span', {}, `Rootstock ${version} at ${url}`), h('span', {}, 'up since ', when(started, new Date(started).toLocaleString())),
    h('span', {}, `${data.path}: `, use(space.file_system)), space.store.limit_bytes ? h('span', {}, 'store: ', use(space.store)) : null,
    space.groups.map((group) => h('span', {}, `group ${group.name}: `, use(group))));
}

function render() {
  showTabs();
  showFrame();
  if (state.loaded) views[current()].render(main);
}

let shown = null;
function enter() {
  if (shown !== current()) {
    shown = current();
    main.replaceChildren();
    views[shown].enter?.(changed);
  }
  render();
}

function chooseTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', document.documentElement.dataset.theme);
}
const theme = localStorage.getItem('theme');
if (theme) document.documentElement.dataset.theme = theme;
document.getElementById('theme').addEventListener('click', chooseTheme);

window.addEventListener('hashchange', enter);
onChange(render);
setInterval(render, 5000); // "3 s ago"
follow(apply, (connected) => {
  state.connected = connected;
  changed();
});
enter();
