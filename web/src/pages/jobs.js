// The list of jobs: newest first, live, with what can be done to them.
import { address, writeAddress } from '../address.js';
import { describe, drainQueue, follow, getGroup, getQueue, listJobs } from '../api.js';
import { confirm, h, labelled, redraw, replace, scroller, select, setText } from '../dom.js';
import { duration, norm, percent, rate, time, waits } from '../format.js';
import { STATES } from '../states.js';
import { actionButtons } from './actions.js';
import { drawGroup } from './group.js';

const PAGE = 100, LOOK_MILLIS = 250;
const HEADS = ['Compare', 'Id', 'Name', 'State', 'Progress', 'Loss', 'Accuracy', 'Created',
  'Actions'];

export async function jobsPage(root, onState, { state }) {
  const page = { state, picked: new Set(), jobs: [], next: null, pages: 1, turn: 0, rows: new Map(),
    groups: new Set(), of: null,
    can: () => false, error: h('p', { class: 'error', role: 'alert', hidden: true }) };
  build(page, root);
  page.can = (await describe()).can;
  const since = await load(page);
  // Events come in bursts: one look at the list serves all of a quarter second,
  // and the next one waits until it is answered.
  let pending = null, again = false, lost = false;
  page.look = () => {
    again = pending !== null;
    pending ??= setTimeout(async () => {
      again = false;
      await load(page).catch(() => {});
      pending = null;
      if (again && !page.closed) page.look();
    }, LOOK_MILLIS);
  };
  const close = follow(null, since, page.look, (now) => {
    if (now === 'open' && lost) page.look();
    lost = now === 'lost';
    onState('jobs', now);
  });
  return {
    navigate(next) {
      page.state = next;
      load(page).catch(() => {});
    },
    close() {
      page.closed = true;
      clearTimeout(pending);
      close();
    },
  };
}

function build(page, root) {
  page.search = h('input', { type: 'search', placeholder: 'name, id, network',
    oninput: () => change(page, { q: page.search.value }) });
  page.filter = select([['', 'all'], ...STATES.map((s) => [s, s])], page.state.state ?? '',
    (value) => change(page, { state: value }));
  page.group = select([['', 'all']], '', (value) => change(page, { group: value }));
  page.groupRow = labelled('Group', page.group);
  page.compare = h('a', { class: 'button', hidden: true });
  page.hold = h('button', { type: 'button', hidden: true, onclick: () => hold(page) });
  page.held = h('p', { class: 'error', role: 'status', hidden: true },
    'The queue is held: jobs that run go on, and no other is started.');
  page.body = h('tbody');
  page.more = h('button', { type: 'button', hidden: true, onclick: () => {
    page.pages++;
    page.look();
  } }, 'Show older jobs');
  page.ofGroup = h('section', { class: 'panel', hidden: true });
  page.empty = h('p', { class: 'quiet', hidden: true });
  replace(root,
    h('div', { class: 'row' }, h('h1', {}, 'Jobs'),
      h('a', { class: 'button', href: address('/submit') }, 'New job or pair'), page.compare, page.hold),
    h('div', { class: 'row controls' }, labelled('Search', page.search), labelled('State', page.filter),
      page.groupRow),
    page.ofGroup, page.held, page.error,
    page.list = scroller('Jobs', h('table', { class: 'jobs' },
      h('thead', {}, h('tr', {}, HEADS.map((t) => h('th', { scope: 'col' }, t)))), page.body)),
    page.empty, page.more);
}

function change(page, changes) {
  page.state = { ...page.state, ...changes };
  writeAddress('/', page.state);
  if ('q' in changes) draw(page);
  else load(page).catch((error) => { if (error.status) showError(page, error); });
}

// Returns the number of the newest event the list knows of. An answer to an older
// question is not shown.
async function load(page) {
  const jobs = [], { state, group } = page.state;
  const mine = ++page.turn;
  let cursor, answer, newest;
  for (let i = 0; i < page.pages; i++) {
    answer = await listJobs({ limit: PAGE, cursor, state: state || undefined, group });
    newest ??= answer.last_event_id;
    jobs.push(...answer.jobs);
    cursor = answer.next ?? undefined;
    if (!cursor) break;
  }
  const [queue, of] = await Promise.all([getQueue(), group ? getGroup(group).catch(() => null) : null]);
  if (mine === page.turn) {
    Object.assign(page, { jobs, next: cursor, of });
    showQueue(page, queue);
    draw(page);
  }
  return newest;
}

function showQueue(page, queue) {
  page.draining = queue.draining;
  page.held.hidden = !queue.draining;
  page.hold.hidden = false;
  setText(page.hold, queue.draining ? 'Start jobs again' : 'Hold the queue');
}

// Jobs that wait would wait on, so that others who wait for them are asked for.
async function hold(page) {
  if (!page.draining && !await confirm('Hold the queue? Jobs that run go on; none of those that ' +
    'wait is started until the queue goes on.', 'Yes, hold it')) return;
  await drainQueue(!page.draining).then((queue) => showQueue(page, queue), (error) => showError(page, error));
  page.look();
}

function showError(page, error) {
  page.error.textContent = error.message;
  page.error.hidden = false;
}

const matches = (job, text) => !text || [String(job.id), job.name, job.spec.model.arch]
  .some((word) => word.toLowerCase().includes(text.toLowerCase()));

// Rows and cells keep their elements while they stay the same, so that focus,
// ticks and clicks are not lost while jobs go on.
function draw(page) {
  const { q = '', state = '' } = page.state;
  if (document.activeElement !== page.search) page.search.value = q;
  page.filter.value = state;
  const shown = page.jobs.filter((job) => matches(job, q));
  const rows = shown.map((job) => {
    const row = page.rows.get(job.id) ?? h('tr', { 'data-job': job.id },
      HEADS.map((head) => h('td', { 'data-head': head })));
    page.rows.set(job.id, row);
    fillRow(row, page, job);
    return row;
  });
  if (rows.length !== page.body.children.length || rows.some((r, i) => r !== page.body.children[i]))
    replace(page.body, rows);
  page.more.hidden = !page.next;
  page.empty.hidden = shown.length > 0;
  page.list.hidden = shown.length === 0;
  if (shown.length === 0) replace(page.empty, ...(q || state || page.state.group ? ['No job fits.']
    : ['No jobs yet. Begin here with ', h('a', { href: address('/submit') }, 'a new job'),
      ' or in a shell: ', h('code', {}, 'gradwatch submit --preset demo')]));
  drawGroups(page);
  drawGroup(page.ofGroup, page.of, () => page.look(), (error) => showError(page, error));
  drawCompare(page);
}

// The choice of groups: those of all jobs that were listed so far.
function drawGroups(page) {
  const { group } = page.state;
  for (const name of [group, ...page.jobs.map((job) => job.spec.group)]) if (name) page.groups.add(name);
  redraw(page.group, [...page.groups], () => [['', 'all'], ...[...page.groups].map((g) => [g, g])]
    .map(([value, text]) => h('option', { value }, text)));
  page.group.value = group ?? '';
  page.groupRow.hidden = page.groups.size === 0;
}

function drawCompare(page) {
  const ids = [...page.picked].sort((a, b) => a - b);
  page.compare.hidden = ids.length < 2;
  page.compare.href = address(`/jobs/${ids.join(',')}`);
  page.compare.textContent = `Compare ${ids.length} jobs`;
}

function nameOf(job) {
  const { group } = job.spec;
  return h('span', {}, h('a', { href: address(`/jobs/${job.id}`) }, job.name), group
    ? h('span', { class: 'hint' }, 'of ', h('a', { href: address('/', { group }) }, `group ${group}`)) : null);
}

function pickBox(page, job) {
  const box = h('input', { type: 'checkbox', checked: page.picked.has(job.id),
    'aria-label': `compare job ${job.id}`,
    onchange: () => {
      if (box.checked) page.picked.add(job.id);
      else page.picked.delete(job.id);
      drawCompare(page);
    } });
  return box;
}

// What a cell shows is drawn anew only when what it is made of has changed.
function fillRow(row, page, job) {
  const { progress } = job;
  const cells = [
    [[], () => pickBox(page, job)],
    [[], () => String(job.id)],
    [[job.name, job.spec.group], () => nameOf(job)],
    [[job.state, job.waiting_for, job.expected], () => stateOf(job)],
    [[job.state, progress], () => progressBar(job, progress)],
    [[job.loss], () => norm(job.loss)],
    [[job.accuracy], () => percent(job.accuracy)],
    [[], () => time(job.created_at)],
    [[job.state, job.name, job.spec.priority], () => actions(page, job)],
  ];
  row.made ??= [];
  cells.forEach(([of, make], i) => {
    const key = JSON.stringify(of);
    if (row.made[i] === key) return;
    row.made[i] = key;
    row.cells[i].replaceChildren(make());
  });
}

// Of a job that waits, also what for, and when its turn is expected.
function stateOf(job) {
  return h('span', {}, badge(job.state), waits(job).map((text) => h('span', { class: 'hint' }, text)));
}

function progressBar(job, progress) {
  if (!progress?.epoch) return '';
  const done = job.state === 'done' ? 1 : (progress.epoch - 1 +
    progress.step / Math.max(progress.steps_per_epoch, 1)) / progress.epochs;
  const speed = [progress.images_per_second ? rate(progress.images_per_second) : null,
    progress.eta_seconds ? `${duration(progress.eta_seconds)} left` : null].filter(Boolean).join(', ');
  return h('span', {}, `epoch ${progress.epoch}/${progress.epochs}`,
    h('progress', { max: 1, value: done, 'aria-label': `progress of job ${job.id}` }),
    job.state === 'running' ? h('span', { class: 'hint' }, speed) : null);
}

function actions(page, job) {
  return actionButtons(job, page.can, (_, name) => {
    if (name === 'remove') {
      page.picked.delete(job.id);
      page.rows.delete(job.id);
    }
    page.error.hidden = true;
    page.look();
  }, (error) => {
    showError(page, error);
    page.look();
  });
}

export function badge(state) {
  return h('span', { class: `badge ${state}` }, state);
}
