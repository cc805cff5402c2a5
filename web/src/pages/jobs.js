// The list of jobs: newest first, live, with what can be done to them.
import { address, writeAddress } from '../address.js';
import { actOnJob, describe, follow, listJobs, removeJob } from '../api.js';
import { confirm, h, labelled, replace, scroller, select } from '../dom.js';
import { clock, duration, norm, percent, rate } from '../format.js';

const PAGE = 100, LOOK_MILLIS = 250;
const STATES = ['queued', 'starting', 'running', 'paused', 'done', 'failed', 'cancelled', 'diverged'];
const ENDED = ['done', 'failed', 'cancelled', 'diverged'];
const HEADS = ['Compare', 'Id', 'Name', 'State', 'Progress', 'Rate', 'Remaining', 'Loss',
  'Accuracy', 'Created', 'Actions'];

// What can be done in which states, where the daemon has a route for it.
const ACTIONS = [
  { name: 'pause', states: ['queued', 'running'] },
  { name: 'resume', states: ['paused'] },
  { name: 'clone', states: STATES },
  { name: 'cancel', states: ['queued', 'starting', 'running', 'paused'],
    ask: 'What it has not trained yet is lost.' },
  { name: 'remove', states: ENDED, ask: 'Its records are deleted and cannot be brought back.' },
];

const ALWAYS = ['cancel', 'remove'];

export async function jobsPage(root, onState, { state }) {
  const page = { state, picked: new Set(), jobs: [], next: null, pages: 1, rows: new Map(),
    can: () => false, error: h('p', { class: 'error', role: 'alert', hidden: true }) };
  build(page, root);
  page.can = (await describe()).can;
  const since = await load(page);
  // Events come in bursts: one look at the list serves all of a quarter second.
  let pending = null, lost = false;
  page.look = () => {
    pending ??= setTimeout(() => {
      pending = null;
      load(page).catch(() => {});
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
  page.compare = h('a', { class: 'button', hidden: true });
  page.body = h('tbody');
  page.more = h('button', { type: 'button', hidden: true, onclick: () => {
    page.pages++;
    page.look();
  } }, 'Show older jobs');
  page.empty = h('p', { class: 'quiet', hidden: true });
  replace(root,
    h('div', { class: 'row' }, h('h1', {}, 'Jobs'),
      h('a', { class: 'button', href: address('/submit') }, 'New job or pair'), page.compare),
    h('div', { class: 'row controls' }, labelled('Search', page.search), labelled('State', page.filter)),
    page.error,
    scroller('Jobs', h('table', { class: 'jobs' },
      h('thead', {}, h('tr', {}, HEADS.map((t) => h('th', { scope: 'col' }, t)))), page.body)),
    page.empty, page.more);
}

function change(page, changes) {
  page.state = { ...page.state, ...changes };
  writeAddress('/', page.state);
  if ('state' in changes) page.look();
  else draw(page);
}

// Returns the number of the newest event the list knows of.
async function load(page) {
  const jobs = [], state = page.state.state || undefined;
  let cursor, answer;
  for (let i = 0; i < page.pages; i++) {
    answer = await listJobs({ limit: PAGE, cursor, state });
    jobs.push(...answer.jobs);
    cursor = answer.next ?? undefined;
    if (!cursor) break;
  }
  page.jobs = jobs;
  page.next = cursor;
  draw(page);
  return answer.last_event_id;
}

const matches = (job, text) => !text || [String(job.id), job.name, job.spec.model.arch]
  .some((word) => word.toLowerCase().includes(text.toLowerCase()));

// Rows keep their elements, so that focus and ticks stay while jobs go on.
function draw(page) {
  const { q = '', state = '' } = page.state;
  if (document.activeElement !== page.search) page.search.value = q;
  page.filter.value = state;
  const shown = page.jobs.filter((job) => matches(job, q));
  const rows = shown.map((job) => {
    const known = page.rows.get(job.id), text = JSON.stringify(job);
    if (known?.text === text) return known.row;
    const row = known?.row ?? h('tr', { 'data-job': job.id });
    fillRow(row, page, job);
    page.rows.set(job.id, { row, text });
    return row;
  });
  if (rows.length !== page.body.children.length || rows.some((r, i) => r !== page.body.children[i]))
    replace(page.body, rows);
  page.more.hidden = !page.next;
  page.empty.hidden = shown.length > 0;
  replace(page.empty, ...(q || state ? ['No job fits.']
    : ['No jobs yet. Begin here with ', h('a', { href: address('/submit') }, 'a new job'),
      ' or in a shell: ', h('code', {}, 'gradwatch submit --preset demo')]));
  drawCompare(page);
}

function drawCompare(page) {
  const ids = [...page.picked].sort((a, b) => a - b);
  page.compare.hidden = ids.length < 2;
  page.compare.href = address(`/jobs/${ids.join(',')}`);
  page.compare.textContent = `Compare ${ids.length} jobs`;
}

function fillRow(row, page, job) {
  const running = job.state === 'running', { progress } = job;
  const box = h('input', { type: 'checkbox', checked: page.picked.has(job.id),
    'aria-label': `compare job ${job.id}`,
    onchange: () => {
      if (box.checked) page.picked.add(job.id);
      else page.picked.delete(job.id);
      drawCompare(page);
    } });
  const cells = [box, String(job.id), h('a', { href: address(`/jobs/${job.id}`) }, job.name),
    badge(job.state), progressBar(job, progress),
    running ? rate(progress?.images_per_second) : '',
    running ? duration(progress?.eta_seconds) : '',
    norm(job.loss), percent(job.accuracy), clock(job.created_at), actions(page, job)];
  const focused = row.contains(document.activeElement)
    ? document.activeElement.getAttribute('aria-label') : null;
  replace(row, cells.map((cell) => h('td', {}, cell)));
  if (focused) [...row.querySelectorAll('[aria-label]')]
    .find((e) => e.getAttribute('aria-label') === focused)?.focus();
}

function progressBar(job, progress) {
  if (!progress?.epoch) return '';
  const done = job.state === 'done' ? 1 : (progress.epoch - 1 +
    progress.step / Math.max(progress.steps_per_epoch, 1)) / progress.epochs;
  return h('span', {}, `epoch ${progress.epoch}/${progress.epochs}`,
    h('progress', { max: 1, value: done, 'aria-label': `progress of job ${job.id}` }));
}

function actions(page, job) {
  const able = ACTIONS.filter((a) => a.states.includes(job.state)
    && (ALWAYS.includes(a.name) || page.can(a.name)));
  return h('span', { class: 'row actions' }, able.map((action) => h('button', { type: 'button',
    'aria-label': `${action.name} job ${job.id}`, onclick: () => act(page, job, action) }, action.name)));
}

async function act(page, job, { name, ask }) {
  const question = `${name[0].toUpperCase()}${name.slice(1)} job ${job.id}, “${job.name}”?`;
  if (ask && !await confirm(`${question} ${ask}`, `Yes, ${name} it`)) return;
  page.error.hidden = true;
  try {
    if (name === 'remove') {
      await removeJob(job.id);
      page.picked.delete(job.id);
      page.rows.delete(job.id);
    } else {
      await actOnJob(job.id, name);
    }
  } catch (error) {
    page.error.textContent = error.message;
    page.error.hidden = false;
  }
  page.look();
}

export function badge(state) {
  return h('span', { class: `badge ${state}` }, state);
}
