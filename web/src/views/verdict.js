// The verdict in words, each number with a link to the view that shows it, and
// the factors between two jobs.
import { address } from '../address.js';
import { readLink } from '../api.js';
import { h, scroller, table } from '../dom.js';
import { norm } from '../format.js';

// Which view shows what a route of the API answers.
const VIEW_OF = { profile: 'profile', gradients: 'histogram', histograms: 'histogram',
  metrics: 'training' };
const WORDS = {
  slope: 'slope of the norm, decades a layer towards the input',
  ratio: 'first layers over last, decades',
  gradient_nonfinite: 'layers whose gradient is no longer a number',
  zeros: 'dead layers', loss: 'loss, and what it must fall below',
  still: 'no weight moved', loss_nonfinite: 'steps whose loss was not a number',
  loss_grew: 'loss, times that of the start',
};

function evidenceRow(path, { rule, value, threshold, layers, epochs, href, decides }) {
  const { route, epoch } = readLink(href);
  const link = address(path, { view: VIEW_OF[route] ?? 'histogram', epoch,
    layers: route === 'gradients' ? layers.join(',') : '' });
  const when = epochs?.[0] ? `epoch ${epochs.join(', ')}` : 'step 0';
  return [WORDS[rule] ?? rule, h('a', { href: link }, norm(value)), norm(threshold),
    layers.join(', '), when, decides ? 'yes' : ''];
}

function verdictPart(track, ctx) {
  const { verdict } = track;
  if (!verdict) return h('section', { class: 'panel' }, h('h2', {}, ctx.nameOf(track)),
    h('p', { class: 'quiet' }, 'No verdict yet.'));
  return h('section', { class: 'panel', 'data-verdict': String(track.id) },
    h('h2', {}, ctx.nameOf(track), ' ', h('span', { class: `badge ${verdict.verdict}` }, verdict.verdict)),
    h('p', { class: 'summary' }, verdict.summary),
    verdict.epochs.length ? h('p', { class: 'quiet' }, 'By epoch: ',
      runs(verdict.epochs).join(', ')) : null,
    scroller(`Evidence of job ${track.id}`, table({ heads: ['Evidence', 'Value', 'Limit', 'Layers', 'When', 'Decides'],
      rows: verdict.evidence.map((row) => evidenceRow(`/jobs/${track.id}`, row)) })));
}

// "1-3 vanishing", "4 healthy"
function runs(epochs) {
  const all = [];
  for (const { epoch, verdict } of epochs) {
    const last = all.at(-1);
    if (last?.verdict === verdict) last.to = epoch;
    else all.push({ from: epoch, to: epoch, verdict });
  }
  return all.map(({ from, to, verdict }) => `${from === to ? from : `${from}–${to}`} ${verdict}`);
}

const COMPARE_HEADS = ['Layer', 'Factor', 'Interval', 'log10', 'p', 'q'];

function comparePart({ jobs, layers, summary }) {
  const factor = (x) => x === null || x === undefined ? '–' : norm(10 ** x);
  return h('section', { class: 'panel', 'data-compare': jobs.join(',') },
    h('h2', {}, `Job ${jobs[1]} over job ${jobs[0]}`), h('p', { class: 'summary' }, summary ?? ''),
    h('p', { class: 'quiet' }, 'How many times as large the norm is, by layer. q is p after ' +
      'correction for looking at many layers at once (expected share of false finds).'),
    scroller(`Factors of job ${jobs[1]} by layer`, table({ heads: COMPARE_HEADS,
      rows: Object.entries(layers).map(([name, l]) => [name, norm(l.factor),
        l.interval ? `${factor(l.interval[0])} – ${factor(l.interval[1])}` : '–',
        norm(l.log10_ratio), norm(l.p), norm(l.q)]) })));
}

export const verdict = {
  id: 'verdict', label: 'Verdict',
  controls: () => [],
  shown: (tracks) => tracks.some((t) => t.job.links.verdict),
  text: () => 'Judged by how norms compare from layer to layer, by zeros, and by whether the ' +
    'loss falls. Every number leads to the view that shows it.',
  charts: () => [],
  body: (ctx) => [...ctx.tracks.map((track) => verdictPart(track, ctx)),
    ...ctx.comparisons.map(comparePart)],
};
