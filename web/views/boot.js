// The way of a boot: eight stages as a bar (in lists) and as a timeline (in details).
import { clock, duration, h, when } from '../dom.js';

export const stages = [
  ['discover', 'Asked for an address'],
  ['offer', 'Has an address'],
  ['loader', 'Loader fetched'],
  ['script', 'Script fetched'],
  ['login', 'Disk attached'],
  ['first_read', 'Reads its disk'],
  ['os_login', 'System took over'],
  ['running', 'Running'],
];
const labels = new Map(stages);

export const outcomes = { in_progress: 'under way', running: 'running', ended: 'ended', failed: 'failed', refused: 'refused' };

export const lastStage = (boot) => boot.stages[boot.stages.length - 1];

export function progress(boot) {
  const reached = new Set(boot.stages.map((stage) => stage.stage));
  const last = lastStage(boot);
  const index = last ? stages.findIndex(([name]) => name === last.stage) : -1;
  const text = last ? labels.get(last.stage) : 'Begins';
  return h('span', { class: `progress ${boot.outcome}`, role: 'img', 'aria-label': `${text}, stage ${index + 1} of ${stages.length}, ${outcomes[boot.outcome]}` },
    stages.map(([name], at) => h('i', { class: reached.has(name) ? 'reached' : at < index ? 'skipped' : null })));
}

export function stageText(boot) {
  const last = lastStage(boot);
  return last ? `${labels.get(last.stage)} after ${duration(last.after_ms)}` : 'Begins';
}

/** Every stage with its time, what came between, and why it ended. */
export function timeline(boot) {
  let before = 0;
  const total = Math.max(1, lastStage(boot)?.after_ms || 0);
  return h('div', { class: 'boot' },
    h('p', { class: 'boot-head' }, h('strong', {}, `Boot ${boot.id}`), ' ', when(boot.started, `${new Date(boot.started).toLocaleDateString()} ${clock(boot.started)}`), ' ',
      h('span', { class: `badge ${boot.outcome}` }, outcomes[boot.outcome])),
    boot.reason ? h('p', { class: boot.outcome === 'ended' ? 'hint' : 'error' }, boot.reason) : null,
    h('ol', { class: 'timeline' }, boot.stages.map((stage) => {
      const took = stage.after_ms - before;
      before = stage.after_ms;
      const bar = h('i', {});
      bar.style.setProperty('--from', `${((stage.after_ms - took) / total) * 100}%`);
      bar.style.setProperty('--share', `${(took / total) * 100}%`);
      return h('li', {}, h('span', { class: 'stage' }, labels.get(stage.stage)), h('span', { class: 'detail' }, stage.detail),
        h('span', { class: 'bar', 'aria-hidden': 'true' }, bar), h('span', { class: 'at' }, `+${duration(stage.after_ms)}`));
    })));
}
