// What a job is doing, above the views of its records: its name, state, progress
// and verdict, why it ended, and what can be done to it.
import { address } from '../address.js';
import { h, redraw } from '../dom.js';
import { duration, norm, percent, raised, rate, waits } from '../format.js';
import { hasEnded } from '../states.js';
import { refresh } from '../track.js';
import { actionButtons } from './actions.js';
import { badge } from './jobs.js';

export const nameOf = (track) => `${track.job.name} (${track.id})`;

export const makeHead = (track) => h('section', { class: 'panel job-head', 'data-job': track.id },
  h('div', { class: 'facts-of' }), h('div', { class: 'doings' }));

function shareDone({ state, progress }) {
  const { epochs = 0, epoch, steps_per_epoch: steps = 0, step } = progress ?? {};
  return state === 'done' ? 1 : epochs * steps ? ((epoch - 1) * steps + step) / (epochs * steps) : 0;
}

// epoch: the one that is shown.
function factsOf({ job, loading, training }, epoch) {
  const ended = hasEnded(job), progress = job.progress ?? {};
  // Of the running epoch, what it has so far.
  const of = (epoch?.complete && training.find((e) => e.epoch === epoch.epoch)) || job;
  return [
    ...waits(job),
    loading ? `decoding images: ${loading.images} of ${loading.of}` : null,
    epoch ? `epoch ${epoch.epoch}${epoch.complete ? '' : ended ? ', cut short' : ', running'}` : null,
    ended || !progress.images_per_second ? null : rate(progress.images_per_second),
    ended || !progress.eta_seconds ? null : `${duration(progress.eta_seconds)} left`,
    epoch ? `loss ${norm(of.loss)}` : null, epoch ? `accuracy ${percent(of.accuracy)}` : null,
  ].filter(Boolean);
}

const logLink = (job, text) => job.started_at || job.state === 'failed'
  ? h('a', { href: job.links.log, title: 'what its training process wrote' }, text) : null;

// can(route): as of actionButtons().
export function drawHead(element, track, epoch, can) {
  const { job, verdict } = track, done = shareDone(job), facts = factsOf(track, epoch);
  // Of a job that ended before anything was recorded, its end is what there is to say.
  const known = verdict && (track.summaries.size > 0 || !hasEnded(job)) ? verdict : null;
  const [said, doings] = element.children;
  redraw(said, [job.name, job.state, job.started_at, done, facts, known?.verdict, known?.summary, job.error],
    () => [
      h('div', { class: 'row' }, h('h1', {}, nameOf(track)), badge(job.state),
        known && known.verdict !== job.state ? badge(known.verdict) : null,
        job.error ? null : logLink(job, 'log')),
      h('progress', { max: 1, value: done, 'aria-label': `progress of job ${job.id}` }),
      h('p', { class: 'quiet facts' }, facts.join(' · ')),
      known ? h('p', { class: 'summary' }, raised(known.summary)) : null,
      job.error ? h('p', { class: 'error', role: 'alert' }, `${job.error.message}. `,
        logLink(job, 'Its log')) : null]);
  redraw(doings, [job.name, job.state, job.spec.priority], () => actionsOf(track, can));
}

// A job that is gone is no longer here to see.
function actionsOf(track, can) {
  const error = h('p', { class: 'error', role: 'alert', hidden: true });
  return [actionButtons(track.job, can, (_, name) => {
    if (name === 'remove') location.hash = address('/');
    else refresh(track);
  }, ({ message }) => {
    error.textContent = message;
    error.hidden = false;
  }), error];
}
