// Small tools for the page. Text only ever enters it as text nodes, so nothing that a PC says of itself can become markup.

/** h('button', { class: 'x', onclick: f, disabled: true }, 'text', child, [children], null) */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'indeterminate') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what `root` shows and keeps the keyboard focus where it was (elements with the same data-key). */
export function show(root, ...children) {
  const key = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  root.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key) root.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

export function announce(text) {
  document.getElementById('live').textContent = text;
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
export function bytes(count) {
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    ++unit;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

/** What something takes, of what it may: { used_bytes, limit_bytes, alarm, full, full_in_days }. */
export function use(value) {
  const alarm = value.full ? 'full' : value.alarm ? `above ${value.alarm} %` : '';
  const days = value.full_in_days ?? null;
  return [bytes(value.used_bytes), value.limit_bytes ? ` of ${bytes(value.limit_bytes)}` : '', days === null ? '' : `, full in ${days === 1 ? '1 day' : `${days} days`}`,
    alarm ? [' ', h('span', { class: value.full ? 'tag full' : 'tag warn' }, alarm)] : null];
}

export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60000);
  return minutes < 60 ? `${minutes} min ${Math.floor((ms % 60000) / 1000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

let skew = 0; // the server's clock minus ours
export function setServerTime(time) {
  skew = time - Date.now();
}
export const serverNow = () => Date.now() + skew;

/** "3 min": rough, for what lies further back. */
export function roughly(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${Math.max(0, seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}

export function ago(time) {
  const passed = serverNow() - time;
  return passed < 5000 ? 'just now' : `${roughly(passed)} ago`;
}
export const lasting = (time) => `for ${roughly(serverNow() - time)}`;

/** A time as <time>: short on the page, exact in the tooltip. */
export function when(time, text) {
  const date = new Date(time);
  return h('time', { datetime: date.toISOString(), title: date.toLocaleString() }, text || ago(time));
}
export const clock = (time) => new Date(time).toLocaleTimeString();

export function button(label, onclick, options = {}) {
  return h('button', { type: 'button', onclick, ...options }, label);
}

export function empty(title, ...lines) {
  return h('section', { class: 'empty' }, h('h2', {}, title), ...lines);
}

/** Rows of a table; `columns`: [title, cell(row), class]. On narrow screens each row becomes a block with the titles beside the values. */
export function table(label, columns, rows, keyOf) {
  return h('div', { class: 'table-box' },
    h('table', { 'aria-label': label },
      h('thead', {}, h('tr', {}, columns.map(([title, , css]) => h('th', { scope: 'col', class: css }, title)))),
      h('tbody', {}, rows.map((row) => h('tr', { 'data-row': keyOf(row) },
        columns.map(([title, cell, css]) => h('td', { 'data-title': title, class: css }, h('div', {}, cell(row)))))))));
}
