// One job, or several compared: what it is doing, and the views of its records
// behind tabs.
import { address, writeAddress } from '../address.js';
import { describe, getComparison } from '../api.js';
import { h, redraw as drawAnew, replace, setText } from '../dom.js';
import { duration, norm, percent, rate, waits } from '../format.js';
import { ink } from '../palette.js';
import { saveGif, saveWebm } from '../save.js';
import { epochsOf, hasEnded, needHistograms, openTracks, refresh, setQuantity } from '../track.js';
import { VIEWS, viewOf } from '../views/index.js';
import { actionButtons } from './actions.js';
import { makeControls } from './controls.js';
import { makeFigure } from './figure.js';
import { badge } from './jobs.js';

const COMPARE_MILLIS = 250;

export async function jobPage(ids, root, onState, { path, state }) {
  const page = { ids, path, state, tracks: [], heads: [], figures: new Map(), frame: 0,
    comparisons: [], compared: '', comparing: null, drawnBody: '' };
  const redraw = () => {
    if (page.heads.length && !page.closed) page.frame ||= requestAnimationFrame(() => {
      page.frame = 0;
      draw(page);
    });
  };
  page.redraw = redraw;
  page.change = (changes) => {
    page.state = { ...page.state, ...changes };
    if ('quantity' in changes) page.tracks.forEach((t) => setQuantity(t, changes.quantity));
    writeAddress(path, page.state);
    redraw();
  };
  const api = await describe();
  const { tracks, close } = await openTracks(ids, state.quantity, redraw, onState);
  page.can = api.can;
  page.tracks = tracks;
  build(page, root);
  draw(page);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', redraw);
  return {
    title: tracks.map(nameOf).join(', '),
    navigate(next) {
      page.state = next;
      page.tracks.forEach((t) => setQuantity(t, next.quantity));
      redraw();
    },
    close() {
      page.closed = true;
      scheme.removeEventListener('change', redraw);
      cancelAnimationFrame(page.frame);
      clearTimeout(page.comparing);
      page.controls.close();
      close();
      page.figures.forEach((figure) => figure.close());
    },
  };
}

// Whole epochs that both have: of others the daemon has nothing to say.
const sharedEpochs = (a, b) => epochsOf(a)
  .filter((e) => e.complete && b.summaries.get(e.epoch)?.complete).map((e) => e.epoch);

// Each job over the first one, where the daemon can say it; anew when there is
// another whole epoch. Epochs of several jobs that come together are one look.
function compare(page) {
  const [first, ...others] = page.tracks;
  if (others.length === 0 || viewOf(page.state).id !== 'verdict') return;
  const ready = others.map((other) => ({ other, epochs: sharedEpochs(first, other) }));
  const key = JSON.stringify([first.quantity, page.tracks.map((t) => t.job.attempt),
    ready.map((r) => r.epochs)]);
  if (key === page.compared) return;
  page.compared = key;
  clearTimeout(page.comparing);
  page.comparing = setTimeout(async () => {
    let missed = false;
    const answers = await Promise.all(ready.filter((r) => r.epochs.length)
      .map(({ other }) => getComparison([first.id, other.id], { quantity: first.quantity })
        .catch(({ status }) => { missed ||= status === undefined; })));
    if (page.compared !== key || page.closed) return;
    page.comparisons = answers.filter(Boolean);
    // Nobody answered: again as soon as there is something new.
    if (missed) page.compared = '';
    else page.redraw();
  }, COMPARE_MILLIS);
}

function build(page, root) {
  page.heads = page.tracks.map((track) =>
    h('section', { class: 'panel job-head', 'data-job': track.id }, h('div', { class: 'facts-of' }),
      h('div', { class: 'doings' })));
  page.tabs = VIEWS.map((view) => ({ view, link: h('a', {}, view.label) }));
  page.controls = makeControls(page.change);
  page.text = h('p', { class: 'quiet explain' });
  page.host = h('div', { class: 'panels figures' });
  page.body = h('div', { class: 'body' });
  page.films = filmButtons(page);
  replace(root,
    h('div', { class: 'panels heads' }, page.heads),
    h('nav', { class: 'tabs', 'aria-label': 'Views' }, page.tabs.map((t) => t.link)),
    page.controls.element, page.text, page.body, page.host, page.films);
}

export const nameOf = (track) => `${track.job.name} (${track.id})`;
const fileName = (page) => `job-${page.ids.join('-')}-${viewOf(page.state).id}`;

// While jobs are compared, one that is behind shows its own newest epoch.
function context(page, state = page.state) {
  return { tracks: page.tracks, state, ink: ink(), nameOf, comparisons: page.comparisons,
    epochOf: (track) => state.epoch
      ? track.summaries.get(Number(state.epoch)) : epochsOf(track).at(-1) };
}

function draw(page) {
  const view = viewOf(page.state), ctx = context(page);
  page.tracks.forEach((track, i) => drawHead(page, page.heads[i], track, ctx.epochOf(track)));
  for (const tab of page.tabs) {
    tab.link.hidden = tab.view.shown ? !tab.view.shown(page.tracks) : false;
    const href = address(page.path, { ...page.state, view: tab.view.id });
    if (tab.link.getAttribute('href') !== href) tab.link.setAttribute('href', href);
    if (tab.view === view) tab.link.setAttribute('aria-current', 'page');
    else tab.link.removeAttribute('aria-current');
  }
  const empty = page.tracks.every((t) => t.summaries.size === 0 && t.training.length === 0);
  page.controls.update(empty ? [] : [...view.controls(page.state), 'quantity'], page.state, page.tracks);
  setText(page.text, empty ? nothingYet(page.tracks) : view.text(page.state));
  const needs = view.needs?.(ctx);
  if (needs) page.tracks.forEach((track) => needHistograms(track,
    { ...needs, epoch: ctx.epochOf(track)?.epoch }));
  drawFigures(page, empty ? [] : view.charts(ctx));
  drawBody(page, view, ctx);
  compare(page);
  page.films.hidden = empty || !view.controls(page.state).includes('epoch');
}

// In place of charts without a number in them.
const nothingYet = (tracks) => tracks.every((t) => hasEnded(t.job))
  ? 'Nothing was recorded before the end.'
  : 'Nothing is recorded yet. The charts begin with the first steps, without reload.';

// Charts that stay keep their element, so that nothing jumps or loses focus.
function drawFigures(page, charts) {
  const keys = charts.map((chart) => `${viewOf(page.state).id}/${chart.key}`);
  for (const [key, figure] of page.figures) {
    if (keys.includes(key)) continue;
    figure.close();
    figure.element.remove();
    page.figures.delete(key);
  }
  charts.forEach((chart, i) => {
    if (!page.figures.has(keys[i])) {
      const figure = makeFigure(chart.key, chart.label, () => fileName(page));
      page.figures.set(keys[i], figure);
      page.host.append(figure.element);
    }
    page.figures.get(keys[i]).draw(chart);
  });
}

function drawBody(page, view, ctx) {
  const key = view.body ? JSON.stringify([view.id, page.tracks.map((t) => [t.job.name, t.verdict])]) : '';
  if (key === page.drawnBody) return;
  page.drawnBody = key;
  replace(page.body, view.body?.(ctx) ?? []);
}

// The view as an animation, a frame an epoch.
function filmButtons(page) {
  const status = h('output', { class: 'quiet', 'aria-live': 'off' });
  const button = (text, save) => h('button', { type: 'button', onclick: async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    // All that was asked for is in the film, though it may still be on its way.
    await Promise.all(page.tracks.map((track) => track.work));
    await save(fileName(page), frames(page), filmWidth(page), (share) => {
      status.textContent = `${Math.round(100 * share)} %`;
    }).catch((error) => { status.textContent = error.message; });
    pressed.disabled = false;
    if (status.textContent === '100 %') status.textContent = 'saved';
  } }, text);
  return h('div', { class: 'row saves film' }, h('span', { class: 'quiet' }, 'All epochs as an animation'),
    button('GIF', saveGif), button('WebM', saveWebm), status);
}

const filmWidth = (page) => Math.min(900, [...page.figures.values()][0]?.width() ?? 700);

function frames(page) {
  const epochs = [...new Set(page.tracks.flatMap((t) => [...t.summaries.keys()]))].sort((a, b) => a - b);
  const { state } = page, view = viewOf(state);
  return epochs.map((epoch) => () => ({ title: `epoch ${epoch}`,
    charts: view.charts(context(page, { ...state, epoch: String(epoch) }))
      .filter((chart) => !chart.key.startsWith('early')) }));
}

function drawHead(page, head, track, epoch) {
  const { job, loading, verdict } = track, progress = job.progress ?? {};
  const steps = (progress.epochs ?? 0) * (progress.steps_per_epoch ?? 0);
  const done = job.state === 'done' ? 1
    : steps ? ((progress.epoch - 1) * progress.steps_per_epoch + progress.step) / steps : 0;
  // Of the epoch that is shown; of the running one, what it has so far.
  const of = (epoch?.complete && track.training.find((e) => e.epoch === epoch.epoch)) || job;
  const facts = [
    ...waits(job),
    loading ? `decoding images: ${loading.images} of ${loading.of}` : null,
    epoch ? `epoch ${epoch.epoch}${epoch.complete ? '' : hasEnded(job) ? ', cut short' : ', running'}` : null,
    hasEnded(job) || !progress.images_per_second ? null : rate(progress.images_per_second),
    hasEnded(job) || !progress.eta_seconds ? null : `${duration(progress.eta_seconds)} left`,
    epoch ? `loss ${norm(of.loss)}` : null, epoch ? `accuracy ${percent(of.accuracy)}` : null,
  ].filter(Boolean);
  // Of a job that ended before anything was recorded, its end is what there is to say.
  const known = verdict && (track.summaries.size > 0 || !hasEnded(job));
  const [said, doings] = head.children;
  drawAnew(said, [job.name, job.state, done, facts, known, verdict?.verdict, verdict?.summary, job.error], () => [
    h('div', { class: 'row' }, h('h1', {}, nameOf(track)), badge(job.state),
      known && verdict.verdict !== job.state ? badge(verdict.verdict) : null),
    h('progress', { max: 1, value: done, 'aria-label': `progress of job ${job.id}` }),
    h('p', { class: 'quiet facts' }, facts.join(' · ')),
    known ? h('p', { class: 'summary' }, verdict.summary) : null,
    job.error ? h('p', { class: 'error', role: 'alert' }, job.error.message) : null]);
  drawAnew(doings, [job.name, job.state, job.spec.priority], () => actionsOf(page, track));
}

// A job that is gone is no longer here to see.
function actionsOf(page, track) {
  const error = h('p', { class: 'error', role: 'alert', hidden: true });
  return [actionButtons(track.job, page.can, (_, name) => {
    if (name === 'remove') location.hash = address('/');
    else refresh(track);
  }, ({ message }) => {
    error.textContent = message;
    error.hidden = false;
  }), error];
}
