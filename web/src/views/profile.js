// Depth profile: the median norm of every layer against its depth, one line
// per job. A line that falls towards the left is a gradient that vanishes on
// its way to the input, one that rises there explodes.
import { norm } from '../format.js';
import { SERIES } from '../palette.js';
import { axes, boundsOf, GRID, placesOf, shown, slopeWords, SYMBOLS } from './depth.js';
import { earlyCharts } from './early.js';
import { legendOf, moreHeight } from './frame.js';
import { capital, isGradient, valueOf } from './quantities.js';
import { drawnSets, mean, meanSlope, setName, spread } from './sets.js';

// The least-squares line goes through the means; a slope counts towards the
// input, so against the depth.
function fitted(points, slope) {
  if (!slope || slope.decades_per_layer === null || points.length < 2) return [];
  const x = mean(points.map((p) => p.x)), y = mean(points.map((p) => p.y));
  return [points[0].x, points.at(-1).x].map((d) => [d, y - slope.decades_per_layer * (d - x)]);
}

const MARKS = {
  circle: (x, y) => ({ type: 'circle', shape: { cx: x, cy: y, r: 3 } }),
  rect: (x, y) => ({ type: 'polygon', shape: { points:
    [[x - 3, y - 3], [x + 3, y - 3], [x + 3, y + 3], [x - 3, y + 3]] } }),
  triangle: (x, y) => ({ type: 'polygon', shape: { points: [[x, y - 4], [x + 4, y + 3], [x - 4, y + 3]] } }),
};

// Of one job: the band of nine steps in ten, the fit, the medians.
function jobShapes({ points, slope, color }, i, at) {
  const band = points.filter((l) => l.p05 > 0 && l.p95 > 0);
  const line = (from) => from.map(([x, y]) => at(x, y));
  const shapes = [{ type: 'polygon', style: { fill: color, opacity: 0.18 }, shape: { points: [
    ...line(band.map((l) => [l.x, Math.log10(l.p95)])),
    ...line(band.map((l) => [l.x, Math.log10(l.p05)])).reverse()] } },
  { type: 'polyline', style: { stroke: color, lineWidth: 1.5, lineDash: [5, 5], fill: 'none' },
    shape: { points: line(fitted(points, slope)) } },
  { type: 'polyline', style: { stroke: color, lineWidth: 2, fill: 'none' },
    shape: { points: line(points.map((l) => [l.x, l.y])) } }];
  for (const l of points)
    shapes.push({ ...MARKS[SYMBOLS[i % SYMBOLS.length]](...at(l.x, l.y)), style: { fill: color } });
  return shapes;
}

// What every job has at the depth next to the pointer.
function tipAt(profiles, depth) {
  const depths = profiles.flatMap((p) => p.points.map((l) => l.x));
  const near = depths.reduce((a, b) => Math.abs(b - depth) < Math.abs(a - depth) ? b : a, -1);
  return profiles.flatMap((p) => p.points.filter((l) => l.x === near).map((l) =>
    `${l.layer}${profiles.length > 1 ? ` of ${p.name}` : ''}\nmedian ${norm(l.median)}, ` +
    `5 % ${norm(l.p05)}, 95 % ${norm(l.p95)}`)).join('\n');
}

// profiles: [{name, color, layers: [{layer, depth, main, median, p05, p95}],
// slope}]; bounds: of all epochs, so that the axis stands still.
function profileParts({ profiles, bounds, quantity, ink }) {
  const names = profiles.map((p) => p.name), legend = (size) => legendOf(names, size, ink);
  const places = (size) => placesOf(bounds, legend(size).height, size);
  const all = profiles.map((p) => ({ ...p, points: shown(p.layers, 'median') }));
  return {
    version: JSON.stringify([names, bounds, quantity, ink.text]),
    option: (size) => ({ ...axes(bounds, legend(size).height, quantity, size, ink),
      legend: legend(size).legend,
      series: profiles.map((p, i) => ({ type: 'line', name: p.name, data: [],
        symbol: SYMBOLS[i % SYMBOLS.length], itemStyle: { color: p.color },
        lineStyle: { color: p.color } })) }),
    shapes: (size) => all.flatMap((p, i) => jobShapes(p, i, places(size).at)),
    tip: (size, x) => x < GRID.left ? '' : tipAt(all, places(size).depth(x)),
  };
}

const HEADS = ['Job', 'Layer', 'Depth', 'Median', '5 %', '25 %', '75 %', '95 %'];
const COLUMNS = ['median', 'p05', 'p25', 'p75', 'p95'];

// Layers whose median the daemon could not tell, as it was no number.
function notNumbers(track, epoch) {
  const names = [...epoch?.layers.values() ?? []].filter((l) => l.main && l.median === null)
    .map((l) => l.layer);
  return names.length === 0 ? null : `Job ${track.id}: no longer a number at ${names.length} ` +
    `layer${names.length > 1 ? 's' : ''}: ${names.join(', ')}.`;
}

function profileChart(ctx) {
  const epochs = ctx.tracks.map(ctx.epochOf), { quantity } = ctx.tracks[0], value = valueOf(quantity);
  const layersOf = (i) => [...epochs[i]?.layers.values() ?? []];
  const rows = (text) => ctx.tracks.flatMap((track, i) => layersOf(i).map((l) =>
    [String(track.id), l.layer, String(l.depth), ...COLUMNS.map((c) => text(l[c]))]));
  const profiles = drawnSets(ctx).map((set, i) => {
    const shownEpochs = set.map(ctx.epochOf).filter(Boolean);
    return { name: setName(set, ctx.nameOf), color: SERIES[i % SERIES.length],
      layers: spread(shownEpochs, ctx.state), slope: meanSlope(shownEpochs.map((e) => e.slope)),
      complete: shownEpochs.some((e) => e.complete) };
  });
  return { key: 'profile', title: `${capital(value)} against depth`, height: 380 + moreHeight(profiles.length),
    label: `Median ${value} of every layer against its depth`,
    words: [...profiles.map((p) => (profiles.length > 1 ? `${p.name}: ` : '')
      + slopeWords(p.slope, p.complete, quantity)), ...ctx.tracks.map((t, i) => notNumbers(t, epochs[i]))],
    ...profileParts({ ink: ctx.ink, quantity,
      bounds: boundsOf(ctx.tracks.flatMap((t) => t.layers), ctx.tracks.flatMap((t) => t.heights ?? [])),
      profiles }),
    table: () => ({ heads: HEADS, rows: rows(norm) }), csv: () => ({ heads: HEADS, rows: rows((x) => x) }) };
}

export const profile = {
  id: 'profile', label: 'Depth profile',
  controls: () => ['epoch', 'together', 'seeds', 'quantity'],
  text: (state, quantity) => `Median ${valueOf(quantity)} of the chosen epoch, layer by layer; ` +
    (state.seeds === 'bands' ? 'of jobs that differ only in the seed, the mean, and as a band all of them; '
    : 'the band holds nine of ten steps, ') +
    'the dashed line is the fit. Towards the left is the input' + (isGradient(quantity)
    ? ': a line that falls there is a gradient that vanishes, one that rises explodes.' : '.'),
  charts: (ctx) => [profileChart(ctx), ...earlyCharts(ctx)],
};
