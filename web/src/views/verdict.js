// The verdict in words, each number with a link to the view that shows it, and
// the factors between two jobs.
import { address } from '../address.js';
import { readLink } from '../api.js';
import { h, scroller, table } from '../dom.js';
import { norm } from '../format.js';
import { saveCsv } from '../save.js';
import { factorChart } from './factors.js';
import { judgedChart } from './judged.js';

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

const CSV_HEADS = ['job', 'verdict', 'rule', 'value', 'limit', 'layers', 'epochs', 'decides', 'source'];

const csvOf = ({ verdict, evidence }, id) => ({ heads: CSV_HEADS,
  rows: evidence.map((e) => [id, verdict, e.rule, e.value, e.threshold, e.layers.join(' '),
    (e.epochs ?? []).join(' '), e.decides, e.href]) });

function verdictPart(track, ctx) {
  const { verdict } = track;
  if (!verdict) return h('section', { class: 'panel' }, h('h2', {}, ctx.nameOf(track)),
    h('p', { class: 'quiet' }, 'No verdict yet.'));
  return h('section', { class: 'panel', 'data-verdict': String(track.id) },
    h('h2', {}, ctx.nameOf(track), ' ', h('span', { class: `badge ${verdict.verdict}` }, verdict.verdict)),
    h('p', { class: 'summary' }, verdict.summary),
    scroller(`Evidence of job ${track.id}`, table({ heads: ['Evidence', 'Value', 'Limit', 'Layers', 'When', 'Decides'],
      rows: verdict.evidence.map((row) => evidenceRow(`/jobs/${track.id}`, row)) })),
    h('div', { class: 'row saves' }, h('span', { class: 'quiet' }, 'Download'),
      h('button', { type: 'button', 'aria-label': `download verdict ${track.id} as CSV`,
        onclick: () => saveCsv(`job-${track.id}-verdict`, csvOf(verdict, track.id)) }, 'CSV')));
}

export const verdict = {
  id: 'verdict', label: 'Verdict',
  controls: () => [],
  shown: (tracks) => tracks.some((t) => t.job.links.verdict),
  text: () => 'Judged by how norms compare from layer to layer, by zeros, and by whether the ' +
    'loss falls. Every number leads to the view that shows it.',
  charts: (ctx) => [...(ctx.tracks.some((t) => t.verdict?.epochs.length) ? [judgedChart(ctx)] : []),
    ...ctx.comparisons.map((comparison) => factorChart(ctx, comparison))],
  body: (ctx) => ctx.tracks.map((track) => verdictPart(track, ctx)),
};
