// The list of jobs: newest first, live.
import { follow, listJobs } from '../api.js';
import { h, replace } from '../dom.js';
import { clock, duration, norm, percent, rate } from '../format.js';

export async function jobsPage(root, onState) {
  const body = h('tbody');
  const pairLink = h('a', { class: 'button', hidden: true });
  const empty = h('p', { class: 'quiet', hidden: true },
    'No jobs yet. Submit one from a shell: ', h('code', {}, 'gradwatch submit --preset demo'));
  const picked = new Set();

  replace(root,
    h('div', { class: 'row' }, h('h1', {}, 'Jobs'), pairLink),
    h('div', { class: 'scroll' }, h('table', { class: 'jobs' },
      h('thead', {}, h('tr', {}, ...['', 'Id', 'Name', 'State', 'Progress', 'Rate',
        'Remaining', 'Loss', 'Accuracy', 'Created'].map((t) => h('th', { scope: 'col' }, t)))),
      body)),
    empty);

  function drawPair() {
    const ids = [...picked].sort((a, b) => a - b);
    pairLink.hidden = ids.length < 2;
    pairLink.href = `#/jobs/${ids.join(',')}`;
    pairLink.textContent = `Compare ${ids.length} jobs`;
  }

  async function draw() {
    const { jobs } = await listJobs({ limit: 100 });
    empty.hidden = jobs.length > 0;
    replace(body, jobs.map((job) => jobRow(job, picked, drawPair)));
  }

  await draw();
  // Events come in bursts: one look at the list serves all of a quarter second.
  let pending = null;
  const close = follow(null, undefined, () => {
    pending ??= setTimeout(() => {
      pending = null;
      draw().catch(() => onState('lost'));
    }, 250);
  }, onState);
  return () => {
    clearTimeout(pending);
    close();
  };
}

function jobRow(job, picked, onPick) {
  const running = job.state === 'running';
  const progress = job.progress;
  const box = h('input', { type: 'checkbox', checked: picked.has(job.id),
    'aria-label': `compare job ${job.id}`,
    onchange: () => {
      if (box.checked) picked.add(job.id);
      else picked.delete(job.id);
      onPick();
    } });
  const cells = [box, String(job.id), h('a', { href: `#/jobs/${job.id}` }, job.name),
    badge(job.state), progressText(progress),
    running ? rate(progress.images_per_second) : '',
    running ? duration(progress.eta_seconds) : '',
    norm(job.loss), percent(job.accuracy), clock(job.created_at)];
  return h('tr', {}, ...cells.map((cell) => h('td', {}, cell)));
}

export function badge(state) {
  return h('span', { class: `badge ${state}` }, state);
}

function progressText(progress) {
  return progress?.epoch ? `epoch ${progress.epoch}/${progress.epochs}` : '';
}
