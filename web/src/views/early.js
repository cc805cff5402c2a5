// The first steps as a family of curves, and what theory says of a network at
// its start, drawn from the last layer on.
import { norm } from '../format.js';
import { SERIES } from '../palette.js';
import { legendOf, moreHeight } from './frame.js';
import { axes, boundsOf, shown, slopeWords, SYMBOLS } from './depth.js';
import { capital, valueOf } from './quantities.js';

const STEP = 94;           // pixels of a step in the legend
const HEADS = ['Job', 'Step', 'Layer', 'Depth'];

const made = new WeakMap();     // by what the daemon said, which stays

// A job's steps with what its layers are: [{step, slope, layers}].
function stepsOf({ early, layers }) {
  if (!made.has(early)) {
    const known = new Map(layers.map((l) => [l.name, l]));
    made.set(early, early.map((s) => ({ ...s, layers: s.layers.map((l) =>
      ({ ...l, main: known.get(l.layer)?.main ?? true })) })));
  }
  return made.get(early);
}

// [[depth, log10]]: from the input to where the first step is at the end.
function theoryLine({ theory, early }, steps) {
  const last = early.length ? shown(steps[0].layers, 'value').at(-1) : null;
  return theory && last
    ? [[0, last.y + theory.decades_per_layer * last.x], [last.x, last.y]] : [];
}

// One scale for all jobs of the page.
function boundsOfAll(tracks) {
  return boundsOf(tracks.flatMap((t) => t.layers), tracks.flatMap((track) => {
    const steps = stepsOf(track);
    return [...steps.flatMap((s) => s.layers.filter((l) => l.main).map((l) => l.value)),
      ...theoryLine(track, steps).map(([, y]) => 10 ** y)];
  }));
}

// color(i): of a job's i-th step; prefix: whose it is, where there are others.
function curves(track, prefix, symbol, color, ink) {
  const steps = stepsOf(track), line = theoryLine(track, steps);
  return [...steps.map((s, i) => ({ type: 'line', name: `${prefix}step ${s.step}`, showSymbol: true,
    symbolSize: 3, symbol, itemStyle: color(i),
    lineStyle: { ...color(i), width: 1.5 },
    data: shown(s.layers, 'value').map((p) => ({ value: [p.x, p.y], layer: p.layer, norm: p.value })) })),
  ...(line.length ? [{ type: 'line', name: `${prefix}theory`, showSymbol: false, symbol: 'none',
    lineStyle: { color: prefix ? color(0).color : ink.text, type: 'dashed', width: 2 },
    itemStyle: { color: prefix ? color(0).color : ink.text }, data: line }] : [])];
}

// The legend of several jobs has their first steps only: later ones are paler.
function option(ctx, tracks, bounds, size) {
  const many = tracks.length > 1, { ink } = ctx;
  const colour = (track) => {
    const last = Math.max(track.early.length - 1, 1);
    return many
      ? (i) => ({ color: SERIES[ctx.tracks.indexOf(track) % SERIES.length], opacity: 1 - 0.8 * i / last })
      : (i) => ({ color: ink.rising(i / last) });
  };
  const series = tracks.flatMap((track, i) => curves(track, many ? `${track.id}: ` : '',
    SYMBOLS[i % SYMBOLS.length], colour(track), ink));
  const first = tracks.map((track) => `${track.id}: step ${track.early[0].step}`);
  const { legend, height } = many ? legendOf(first, size, ink)
    : legendOf(series.map((s) => s.name), size, ink, STEP);
  return {
    ...axes(bounds, height, ctx.tracks[0].quantity, size, ink), legend, series,
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ seriesName, data }) =>
      data?.layer ? `${seriesName}\n${data.layer}: ${norm(data.norm)}` : seriesName },
  };
}

function wordsOf(ctx, track, many) {
  const steps = stepsOf(track), { theory } = track, whose = many ? `${ctx.nameOf(track)}: ` : '';
  return [`${whose}At step ${steps[0].step}: ${slopeWords(steps[0].slope, true, track.quantity)}`, theory
    ? `${whose}Theory for such a network at its start: ${norm(theory.factor_per_layer)} a layer (dashed).`
    : null];
}

function chartOf(ctx, tracks, key) {
  const many = tracks.length > 1, bounds = boundsOfAll(ctx.tracks), value = valueOf(tracks[0].quantity);
  const heads = [...HEADS, capital(value)];
  const rows = (text) => tracks.flatMap((track) => stepsOf(track).flatMap((s) => s.layers.map((l) =>
    [String(track.id), String(s.step), l.layer, String(l.depth), text(l.value)])));
  return { key: `early-${key}`, height: 380 + moreHeight(tracks.length),
    title: many ? 'First steps' : `First steps of ${ctx.nameOf(tracks[0])}`,
    label: `${capital(value)} against depth in the first steps of job ${tracks.map((t) => t.id).join(' and ')}`,
    version: JSON.stringify([tracks.map((t) => [t.id, t.early.length, t.job.attempt, t.quantity]),
      bounds, ctx.ink.text]),
    words: [many ? 'Later steps are paler.' : null,
      ...tracks.flatMap((track) => wordsOf(ctx, track, many))],
    option: (size) => option(ctx, tracks, bounds, size),
    table: () => ({ heads, rows: rows(norm) }), csv: () => ({ heads, rows: rows((x) => x) }) };
}

export function earlyCharts(ctx) {
  const tracks = ctx.tracks.filter((t) => t.early.length);
  return ctx.state.together === '1' && tracks.length > 1 ? [chartOf(ctx, tracks, 'all')]
    : tracks.map((track) => chartOf(ctx, [track], track.id));
}
