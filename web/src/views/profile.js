// Depth profile: the median norm of every layer against its depth, one line
// per job. A line that falls towards the left is a gradient that vanishes on
// its way to the input, one that rises there explodes.
import { norm, powerOfTen } from '../format.js';
import { SERIES } from '../palette.js';
import { axisOf } from './quantities.js';

const SYMBOLS = ['circle', 'rect', 'triangle'];

const shown = (layers, value) => layers.filter((l) => l.main && l[value] > 0)
  .map((l) => ({ ...l, x: l.depth, y: Math.log10(l[value]) }));

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// The least-squares line goes through the means; a slope counts towards the
// input, so against the depth.
function fitted(points, slope) {
  if (!slope || slope.decades_per_layer === null || points.length < 2) return [];
  const x = mean(points.map((p) => p.x)), y = mean(points.map((p) => p.y));
  return [points[0].x, points.at(-1).x].map((d) => [d, y - slope.decades_per_layer * (d - x)]);
}

export function slopeWords(slope) {
  if (!slope || slope.factor_per_layer === null || slope.factor_per_layer === undefined)
    return 'No slope yet: it is fitted when the epoch is complete.';
  const { factor_per_layer: factor, decades_per_layer: decades, low, high } = slope;
  const sure = low === null || high === null ? '' : ` (95 %: ${norm(low)} to ${norm(high)})`;
  const layers = Math.abs(1 / decades);
  const tenfold = layers > 1000 ? 'which is level'
    : `tenfold ${decades > 0 ? 'growth' : 'loss'} every ${Math.max(1, Math.round(layers))} layers`;
  return `Each layer towards the input multiplies the norm by ${norm(factor)}${sure}: ` +
    `${decades.toFixed(3)} decades a layer, ${tenfold}.`;
}

// A polygon between two lines of points.
function band(name, points, color) {
  const around = [...points.map((p) => [p.x, Math.log10(p.p95)]),
    ...points.map((p) => [p.x, Math.log10(p.p05)]).reverse()];
  return { type: 'custom', name, silent: true, z: 1, itemStyle: { color }, data: points.length ? [[0, 0]] : [],
    clip: true, tooltip: { show: false },
    renderItem: (_, api) => ({ type: 'polygon', shape: { points: around.map((p) => api.coord(p)) },
      style: { fill: color, opacity: 0.18 } }) };
}

// heights: log10 of all that is drawn; quantity: its key.
function axes(heights, quantity, ink) {
  const bottom = heights.length ? Math.floor(Math.min(...heights)) : 0;
  const top = heights.length ? Math.ceil(Math.max(...heights)) : 0;
  return {
    grid: { left: 76, right: 20, top: 34, bottom: 44 },
    xAxis: { type: 'value', min: 0, name: 'depth: convolutions from the input',
      nameLocation: 'middle', nameGap: 28, nameTextStyle: { color: ink.quiet },
      axisLine: { onZero: false, lineStyle: { color: ink.line } },
      axisLabel: { color: ink.quiet }, splitLine: { show: false } },
    yAxis: { type: 'value', min: bottom, max: Math.max(top, bottom + 1), minInterval: 1,
      name: axisOf(quantity), nameLocation: 'middle', nameGap: 48, nameTextStyle: { color: ink.quiet },
      interval: Math.max(1, Math.ceil((top - bottom) / 8)),
      axisLabel: { color: ink.quiet, formatter: (v) => Number.isInteger(v) ? powerOfTen(v) : '' },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
  };
}

// profiles: [{name, color, layers: [{layer, depth, main, median, p05, p95}], slope}]
export function profileOption({ profiles, quantity, ink }) {
  const lines = profiles.map((p) => ({ ...p, points: shown(p.layers, 'median') }));
  const bands = lines.map((p) => p.points.filter((l) => l.p05 > 0 && l.p95 > 0));
  return {
    ...axes([...lines.flatMap((p) => p.points.map((l) => l.y)),
      ...bands.flat().flatMap((l) => [Math.log10(l.p05), Math.log10(l.p95)])], quantity, ink),
    legend: { top: 0, textStyle: { color: ink.text }, data: profiles.map((p) => p.name) },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ data }) => data?.layer
      ? `${data.layer}\nmedian ${norm(data.median)}\n5 % ${norm(data.p05)}, 95 % ${norm(data.p95)}` : '' },
    series: lines.flatMap((p, i) => [
      band(p.name, bands[i], p.color),
      { type: 'line', name: p.name, symbolSize: 5, showSymbol: true, symbol: SYMBOLS[i % 3], z: 3,
        lineStyle: { color: p.color, width: 2 }, itemStyle: { color: p.color },
        data: p.points.map((l) => ({ value: [l.x, l.y], layer: l.layer, median: l.median,
          p05: l.p05, p95: l.p95 })) },
      { type: 'line', name: p.name, showSymbol: false, silent: true, z: 2,
        lineStyle: { color: p.color, type: 'dashed', width: 1.5 }, itemStyle: { color: p.color },
        data: fitted(p.points, p.slope) }]),
  };
}

// The first steps as a family of curves, and what theory says of a network at
// its start, drawn from the last layer on.
export function earlyOption({ steps, theory, quantity, ink }) {
  const curves = steps.map((s) => ({ ...s, points: shown(s.layers, 'value') }));
  const last = curves[0]?.points.at(-1);
  const line = theory && last ? [[0, last.y + theory.decades_per_layer * last.x], [last.x, last.y]] : [];
  return {
    ...axes([...curves.flatMap((c) => c.points.map((p) => p.y)), ...line.map((p) => p[1])], quantity, ink),
    legend: { top: 0, type: 'plain', textStyle: { color: ink.text, fontSize: 11 }, itemWidth: 14,
      itemGap: 8 },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ seriesName, data }) =>
      data?.layer ? `${seriesName}\n${data.layer}: ${norm(data.norm)}` : seriesName },
    series: [...curves.map((c, i) => {
      const color = ink.rising(i / Math.max(curves.length - 1, 1));
      return { type: 'line', name: `step ${c.step}`, showSymbol: true, symbolSize: 3,
        symbol: 'circle', lineStyle: { color, width: 1.5 }, itemStyle: { color },
        data: c.points.map((p) => ({ value: [p.x, p.y], layer: p.layer, norm: p.value })) };
    }), ...(line.length ? [{ type: 'line', name: 'theory', showSymbol: false,
      lineStyle: { color: ink.text, type: 'dashed', width: 2 }, itemStyle: { color: ink.text },
      data: line }] : [])],
  };
}

const HEADS = ['Job', 'Layer', 'Depth', 'Median', '5 %', '25 %', '75 %', '95 %'];
const COLUMNS = ['median', 'p05', 'p25', 'p75', 'p95'];

function profileChart(ctx) {
  const epochs = ctx.tracks.map(ctx.epochOf);
  const layersOf = (i) => [...epochs[i]?.layers.values() ?? []];
  const rows = (text) => ctx.tracks.flatMap((track, i) => layersOf(i).map((l) =>
    [String(track.id), l.layer, String(l.depth), ...COLUMNS.map((c) => text(l[c]))]));
  return { key: 'profile', height: 380, label: 'Median norm of every layer against its depth',
    words: ctx.tracks.map((track, i) => (ctx.tracks.length > 1 ? `${ctx.nameOf(track)}: ` : '') +
      slopeWords(epochs[i]?.slope)),
    option: () => profileOption({ ink: ctx.ink, quantity: ctx.tracks[0].quantity, profiles: ctx.tracks.map((track, i) => ({
      name: ctx.nameOf(track), color: SERIES[i % SERIES.length], layers: layersOf(i),
      slope: epochs[i]?.slope })) }),
    table: () => ({ heads: HEADS, rows: rows(norm) }), csv: () => ({ heads: HEADS, rows: rows((x) => x) }) };
}

function earlyChart(ctx, track) {
  const known = new Map(track.layers.map((l) => [l.name, l]));
  const steps = track.early.map((s) => ({ ...s, layers: s.layers.map((l) =>
    ({ ...l, main: known.get(l.layer)?.main ?? true })) }));
  const rows = (text) => steps.flatMap((s) => s.layers.map((l) =>
    [String(s.step), l.layer, String(l.depth), text(l.value)]));
  const heads = ['Step', 'Layer', 'Depth', 'Norm'];
  const theory = track.theory;
  return { key: `early-${track.id}`, height: 360, title: `First steps of ${ctx.nameOf(track)}`,
    label: `Norm against depth in the first steps of job ${track.id}`,
    version: `${steps.length} ${track.job.attempt} ${track.quantity} ${ctx.ink.text}`,
    words: [`At step ${steps[0].step}: ${slopeWords(steps[0].slope)}`, theory
      ? `Theory for such a network at its start: ${norm(theory.factor_per_layer)} a layer (dashed).` : null],
    option: () => earlyOption({ steps, theory, quantity: track.quantity, ink: ctx.ink }),
    table: () => ({ heads, rows: rows(norm) }), csv: () => ({ heads, rows: rows((x) => x) }) };
}

export const profile = {
  id: 'profile', label: 'Depth profile',
  controls: () => ['epoch'],
  text: () => 'Median norm of the chosen epoch, layer by layer; the band holds nine of ten steps, ' +
    'the dashed line is the fit. Towards the left is the input: a line that falls there is a ' +
    'gradient that vanishes, one that rises explodes.',
  charts: (ctx) => [profileChart(ctx),
    ...ctx.tracks.filter((t) => t.early.length).map((t) => earlyChart(ctx, t))],
};
