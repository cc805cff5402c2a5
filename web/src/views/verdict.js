// The verdict in words, each number with a link to the view that shows it, and
// the factors between two jobs.
import { address } from '../address.js';
import { readLink } from '../api.js';
import { h, scroller, table } from '../dom.js';
import { norm, raised } from '../format.js';
import { saveCsv } from '../save.js';
import { factorChart } from './factors.js';
import { judgedChart } from './judged.js';

// Which view, and which of its charts, shows what a route of the API answers.
const PLACES = {
  profile: (id, epoch) => ({ view: 'profile', chart: epoch ? 'profile' : `early-${id}` }),
  gradients: (id) => ({ view: 'histogram', chart: `job-${id}` }),
  metrics: () => ({ view: 'training', chart: 'loss' }),
};

// What was looked at; how far is too far, in words; the same as a factor, where
// people rather think of that.
const below = (limit) => `not below ${limit}`, above = (limit) => `above ${limit}`;
const side = (limit, value) => value > 0 ? above(limit) : `below ${limit}`;
// What grows towards the input does harm only where it grows all the way.
const ends = (limit, value) => value > 0 ? `${above(limit)}, with a bad slope` : `below ${limit}`;
const RULES = {
  slope: { text: 'slope of the norm, decades a layer towards the input', bad: side,
    factor: (x) => `× ${norm(10 ** x)} a layer` },
  ratio: { text: 'first layers over last, decades', bad: ends, factor: (x) => `× ${norm(10 ** x)}` },
  gradient_nonfinite: { text: 'layers whose gradient is no longer a number', bad: above },
  zeros: { text: 'dead layers', bad: above },
  loss: { text: 'loss, and what it must fall below', bad: below },
  still: { text: 'how far the weights moved', bad: (limit) => limit },
  loss_nonfinite: { text: 'steps whose loss was not a number', bad: above },
  loss_grew: { text: 'loss, times that of the start', bad: above },
};

function evidenceRow(id, { rule, value, threshold, layers, epochs, href, decides }) {
  const { route, quantity, epoch } = readLink(href), { text, bad, factor } = RULES[rule] ?? {};
  const link = address(`/jobs/${id}`, { ...PLACES[route]?.(id, epoch), epoch, quantity,
    layers: route === 'gradients' ? layers.join(',') || 'all' : '' });
  return [text ?? rule,
    h('span', {}, h('a', { href: link }, norm(value)), factor && value !== null
      ? h('span', { class: 'quiet' }, ` ${factor(value)}`) : null),
    threshold === null ? '–' : bad?.(norm(threshold), value) ?? norm(threshold), layers.join(', '),
    epochs?.[0] ? `epoch ${epochs.join(', ')}` : 'step 0', decides ? 'yes' : ''];
}

const HEADS = ['Evidence', 'Value', 'Bad when', 'Layers', 'When', 'Decides'];
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
    h('p', { class: 'summary' }, raised(verdict.summary)),
    scroller(`Evidence of job ${track.id}`, table({ heads: HEADS,
      rows: verdict.evidence.map((row) => evidenceRow(track.id, row)) })),
    h('div', { class: 'row saves' }, h('span', { class: 'quiet' }, 'Download'),
      h('button', { type: 'button', 'aria-label': `download verdict ${track.id} as CSV`,
        onclick: () => saveCsv(`job-${track.id}-verdict`, csvOf(verdict, track.id)) }, 'CSV')));
}

export const verdict = {
  id: 'verdict', label: 'Verdict',
  controls: (state, tracks) => tracks.length > 1 ? ['quantity'] : [],
  shown: (tracks) => tracks.some((t) => t.job.links.verdict),
  text: () => 'Judged by how the norms of gradients compare from layer to layer, by zeros, and by ' +
    'whether the loss falls. Every number leads to the view that shows it.',
  charts: (ctx) => [...(ctx.tracks.some((t) => t.verdict?.epochs.length) ? [judgedChart(ctx)] : []),
    ...ctx.comparisons.map((comparison) => factorChart(ctx, comparison))],
  body: (ctx) => ctx.tracks.map((track) => verdictPart(track, ctx)),
};
