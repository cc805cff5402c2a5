// One job, or several side by side: the live histograms with the epoch slider,
// the depth profile, loss and accuracy.
import { makeChart } from '../chart.js';
import { h, replace } from '../dom.js';
import { duration, norm, percent, rate } from '../format.js';
import { ink } from '../palette.js';
import { epochsOf, hasEnded, openTrack } from '../track.js';
import { decades, histogramOption } from '../views/histogram.js';
import { profileOption } from '../views/profile.js';
import { trainingOption } from '../views/training.js';
import { badge } from './jobs.js';

const HISTOGRAM_HEIGHT = 470, FRAME_MILLIS = 700;

export async function jobPage(root, onState, ids) {
  const page = { tracks: [], panels: [], chosen: null, timer: null, frame: 0 };
  const redraw = () => {
    if (page.panels.length) page.frame ||= requestAnimationFrame(() => {
      page.frame = 0;
      draw(page);
    });
  };

  page.tracks = await Promise.all(ids.map((id) => openTrack(id, redraw, onState)));
  build(page, root, redraw);
  redraw();
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', redraw);
  return () => {
    scheme.removeEventListener('change', redraw);
    clearInterval(page.timer);
    cancelAnimationFrame(page.frame);
    page.tracks.forEach((track) => track.close());
    [...page.panels.map((p) => p.chart), page.profile, page.loss, page.accuracy]
      .forEach((chart) => chart.close());
  };
}

function build(page, root, redraw) {
  page.panels = page.tracks.map((track) => {
    const chart = makeChart(`Histograms of gradient norms of job ${track.id}`, HISTOGRAM_HEIGHT);
    const head = h('div', { class: 'job-head' });
    const numbers = h('tbody');
    return { track, chart, head, numbers,
      element: h('section', { class: 'panel', 'data-job': track.id }, head, chart.element,
        h('details', {}, h('summary', {}, 'Numbers'), numbersTable(numbers))) };
  });
  page.profile = makeChart('Median gradient norm against depth', 300);
  page.loss = makeChart('Loss per epoch', 240);
  page.accuracy = makeChart('Accuracy per epoch', 240);
  replace(root,
    slider(page, redraw),
    h('div', { class: 'panels' }, page.panels.map((p) => p.element)),
    h('h2', {}, 'Depth profile'),
    h('p', { class: 'quiet' }, 'Median norm of the chosen epoch, layer by layer. Towards the left ' +
      'is the input: a line that falls there is a gradient that vanishes, one that rises explodes.'),
    page.profile.element,
    h('div', { class: 'panels' },
      h('section', { class: 'panel' }, h('h2', {}, 'Loss'), page.loss.element),
      h('section', { class: 'panel' }, h('h2', {}, 'Accuracy'), page.accuracy.element)));
}

function numbersTable(body) {
  const heads = ['Layer', 'Median', '5 %', '95 %', 'Steps', 'Zeros', 'Not finite'];
  return h('div', { class: 'scroll' }, h('table', { class: 'numbers' },
    h('thead', {}, h('tr', {}, heads.map((text) => h('th', { scope: 'col' }, text)))), body));
}

function drawNumbers(panel, epoch) {
  replace(panel.numbers, panel.track.rows.map((name) => {
    const layer = epoch?.layers[name] ?? {};
    const cells = [name, norm(layer.median), norm(layer.p05), norm(layer.p95),
      String(layer.count ?? '–'), String(layer.zeros ?? '–'), String(layer.nonfinite ?? '–')];
    return h('tr', {}, cells.map((cell) => h('td', {}, cell)));
  }));
}

// The epoch slider follows the newest epoch until it is moved; play is the
// notebook's animation.
function slider(page, redraw) {
  page.range = h('input', { type: 'range', id: 'epoch', min: 1, max: 1, step: 1,
    oninput: () => choose(Number(page.range.value)) });
  page.label = h('output', { id: 'epoch-label', htmlFor: 'epoch' });
  page.play = h('button', { type: 'button', id: 'play', onclick: toggle }, '▶ Play');
  page.newest = h('button', { type: 'button', id: 'newest', onclick: () => {
    stop();
    page.chosen = null;
    redraw();
  } }, 'Newest');

  function choose(epoch) {
    page.chosen = epoch;
    redraw();
  }
  function stop() {
    clearInterval(page.timer);
    page.timer = null;
    page.play.textContent = '▶ Play';
  }
  function toggle() {
    if (page.timer) return stop();
    page.play.textContent = '❚❚ Pause';
    choose(Number(page.range.min));
    page.timer = setInterval(() => {
      if (page.chosen >= Number(page.range.max)) return stop();
      choose(page.chosen + 1);
    }, FRAME_MILLIS);
  }
  return h('div', { class: 'row controls' }, h('label', { htmlFor: 'epoch' }, 'Epoch'),
    page.range, page.label, page.play, page.newest);
}

function draw(page) {
  const all = page.tracks.map(epochsOf);
  const newest = Math.max(1, ...all.flat().map((e) => e.epoch));
  const chosen = Math.min(page.chosen ?? newest, newest);
  const colours = ink();
  const range = sharedRange(page.tracks, all);

  page.range.max = newest;
  page.range.value = chosen;
  page.range.disabled = newest === 1;
  page.newest.hidden = page.chosen === null;
  page.label.textContent = `${chosen} of ${Math.max(newest, ...page.tracks.map(epochsPlanned))}` +
    (page.chosen === null ? ' (newest)' : '');
  // While a pair is compared, a job that is behind shows its own newest epoch.
  const shown = all.map((epochs) =>
    epochs.find((e) => e.epoch === chosen) ?? (page.chosen === null ? epochs.at(-1) : undefined));

  page.panels.forEach((panel, i) => {
    drawHead(panel, shown[i]);
    drawNumbers(panel, shown[i]);
    panel.chart.draw(histogramOption({ edges: panel.track.edges, epoch: shown[i],
      layers: panel.track.rows, range, height: HISTOGRAM_HEIGHT, ink: colours }));
  });
  page.profile.draw(profileOption({ ink: colours, profiles: page.tracks.map((track, i) =>
    ({ name: title(track), layers: shown[i]?.profile ?? [] })) }));
  const runs = page.tracks.map((track) => ({ name: title(track), epochs: track.training }));
  page.loss.draw(trainingOption({ runs, quantity: 'loss', ink: colours }));
  page.accuracy.draw(trainingOption({ runs, quantity: 'accuracy', ink: colours }));
}

const title = (track) => `${track.job.name} (${track.id})`;
const epochsPlanned = (track) => track.job.spec.train.epochs;

// One axis for all jobs on the page: comparing is the point.
function sharedRange(tracks, all) {
  const ranges = tracks.map((track, i) => decades(track.edges, all[i])).filter(Boolean);
  return ranges.length === 0 ? null
    : [Math.min(...ranges.map((r) => r[0])), Math.max(...ranges.map((r) => r[1]))];
}

function drawHead(panel, epoch) {
  const { job, loading } = panel.track;
  const progress = job.progress ?? {};
  const steps = (progress.epochs ?? 0) * (progress.steps_per_epoch ?? 0);
  const done = job.state === 'done' ? 1
    : steps ? ((progress.epoch - 1) * progress.steps_per_epoch + progress.step) / steps : 0;
  const facts = [
    loading ? `decoding images: ${loading.images} of ${loading.of}` : null,
    epoch ? `epoch ${epoch.epoch}${epoch.complete ? '' : ', running'}` : null,
    hasEnded(job) ? null : rate(progress.images_per_second),
    hasEnded(job) || !progress.eta_seconds ? null : `${duration(progress.eta_seconds)} left`,
    `loss ${norm(job.loss)}`, `accuracy ${percent(job.accuracy)}`,
  ].filter(Boolean);
  replace(panel.head,
    h('div', { class: 'row' }, h('h1', {}, title(panel.track)), badge(job.state)),
    h('progress', { max: 1, value: done, 'aria-label': `progress of job ${job.id}` }),
    h('p', { class: 'quiet facts' }, facts.join(' · ')),
    job.error ? h('p', { class: 'error', role: 'alert' }, job.error.message) : null);
}
