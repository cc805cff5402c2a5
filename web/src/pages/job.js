// One job, or several compared: what it is doing, and the views of its records
// behind tabs.
import { address, writeAddress } from '../address.js';
import { describe, getComparison, RETRY_MILLIS } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { ink } from '../palette.js';
import { hasEnded } from '../states.js';
import { epochsOf, needHistograms, openTracks, setQuantity } from '../track.js';
import { VIEWS, viewOf } from '../views/index.js';
import { makeControls } from './controls.js';
import { makeFigure } from './figure.js';
import { makeFilm } from './film.js';
import { drawHead, makeHead, nameOf } from './head.js';

const COMPARE_MILLIS = 250;
const OVER_CHART = 48;      // pixels of a panel's edge and title

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
  redraw();         // by where it stands, once it stands in the document
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', redraw);
  addEventListener('resize', redraw);
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
      removeEventListener('resize', redraw);
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
    page.redraw();
    // Nobody answered one of them: all again.
    if (missed) page.comparing = setTimeout(() => { page.compared = ''; page.redraw(); }, RETRY_MILLIS);
  }, COMPARE_MILLIS);
}

function build(page, root) {
  page.heads = page.tracks.map(makeHead);
  page.tabs = VIEWS.map((view) => ({ view, link: h('a', {}, view.label) }));
  page.controls = makeControls(page.change);
  page.text = h('p', { class: 'quiet explain' });
  page.host = h('div', { class: 'panels figures' });
  page.body = h('div', { class: 'body' });
  page.film = makeFilm(() => ({ name: fileName(page), width: filmWidth(page), frames: framesOf(page) }),
    () => Promise.all(page.tracks.map((track) => track.work)));
  page.nav = h('nav', { class: 'tabs', 'aria-label': 'Views' }, page.tabs.map((t) => t.link));
  replace(root, h('div', { class: 'panels heads' }, page.heads), page.nav, page.controls.element,
    page.text, page.body, page.host, page.film);
}

// With the quantity, where it is not the one that jobs have by default.
function fileName({ ids, state, tracks }) {
  const view = viewOf(state), { quantity } = tracks[0];
  const other = quantity !== 'grad_out' && view.controls(state, tracks).includes('quantity');
  return `job-${ids.join('-')}-${view.id}${other ? `-${quantity}` : ''}`;
}

// While jobs are compared, one that is behind shows its own newest epoch.
function context(page, state = page.state) {
  return { tracks: page.tracks, state, ink: ink(), nameOf, comparisons: page.comparisons,
    room: () => innerHeight - page.host.getBoundingClientRect().top - scrollY - OVER_CHART,
    epochOf: (track) => state.epoch
      ? track.summaries.get(Number(state.epoch)) : epochsOf(track).at(-1) };
}

function drawTabs(page, shown) {
  for (const { view, link } of page.tabs) {
    link.hidden = view.shown ? !view.shown(page.tracks) : false;
    const href = address(page.path, { ...page.state, view: view.id });
    if (link.getAttribute('href') !== href) link.setAttribute('href', href);
    if (view === shown) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function draw(page) {
  const view = viewOf(page.state), ctx = context(page);
  page.tracks.forEach((track, i) => drawHead(page.heads[i], track, ctx.epochOf(track), page.can));
  drawTabs(page, view);
  const empty = page.tracks.every((t) => t.summaries.size === 0 && t.training.length === 0);
  page.nav.hidden = empty && page.tracks.every((t) => hasEnded(t.job));
  page.controls.update(empty ? [] : view.controls(page.state, page.tracks), page.state, page.tracks);
  setText(page.text, empty ? nothingYet(page.tracks) : view.text(page.state, page.tracks[0].quantity));
  const needs = view.needs?.(ctx);
  if (needs) page.tracks.forEach((track) => needHistograms(track,
    { ...needs, epoch: ctx.epochOf(track)?.epoch }));
  drawFigures(page, empty ? [] : view.charts(ctx));
  drawBody(page, page.nav.hidden ? {} : view, ctx);
  show(page, view);
  compare(page);
  page.film.hidden = empty || !view.controls(page.state, page.tracks).includes('epoch');
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

// The chart that a link was about, once.
function show(page, view) {
  const figure = page.figures.get(`${view.id}/${page.state.chart}`);
  if (!figure?.element.isConnected) return;
  page.state = { ...page.state, chart: '' };
  figure.element.tabIndex = -1;
  figure.element.focus({ preventScroll: true });
  figure.element.scrollIntoView();
}

function drawBody(page, view, ctx) {
  const key = view.body ? JSON.stringify([view.id, page.tracks.map((t) => [t.job.name, t.verdict])]) : '';
  if (key === page.drawnBody) return;
  page.drawnBody = key;
  replace(page.body, view.body?.(ctx) ?? []);
}

const filmWidth = (page) => Math.min(900, [...page.figures.values()][0]?.width() ?? 700);

function framesOf(page) {
  const epochs = [...new Set(page.tracks.flatMap((t) => [...t.summaries.keys()]))].sort((a, b) => a - b);
  const { state } = page, view = viewOf(state);
  return epochs.map((epoch) => () => ({ title: `epoch ${epoch}`,
    charts: view.charts(context(page, { ...state, epoch: String(epoch) }))
      .filter((chart) => !chart.key.startsWith('early')) }));
}
