// Distributions as rows over one logarithmic axis: what histogram and
// ridgeline share.
import { norm, powerOfTen } from '../format.js';
import { isNarrow, labelRoom, legendOf, LINE_HEIGHT, nameOver, nameUnder } from './frame.js';

const TOP = 22, BOTTOM = 46, NARROW_BOTTOM = 62, NOTES = 124, NOTE_LINE = 12.5, MARGIN = 16;
const NO_RANGE = [-10, 0];  // decades of an axis without data
const ABOVE = 30;           // pixels over the first row, for peaks that reach over rows

// Powers of ten that hold the bins in use, [first, end): [low, high], or null
// without data.
export function decades(edges, used) {
  return !used || edges.length === 0 ? null
    : [Math.floor(Math.log10(edges[used[0]]) + 1e-9), Math.ceil(Math.log10(edges[used[1]]) - 1e-9)];
}

// One range that holds all, of three decades at least.
export function join(ranges) {
  const known = ranges.filter(Boolean);
  if (known.length === 0) return null;
  const low = Math.min(...known.map((r) => r[0])), high = Math.max(...known.map((r) => r[1]));
  return high - low < 2 ? [low - 1, high + 1] : [low, high];
}

// The density in each bin, as the histograms route gives it: it integrates to
// 1 over what is in range, in decades or in units of x.
function densities({ first, counts }, edges, linear) {
  const total = counts.reduce((a, b) => a + b, 0);
  return Array.from(counts, (count, i) => {
    const low = edges[first + i], high = edges[first + i + 1];
    return count / total / (linear ? high - low : Math.log10(high) - Math.log10(low));
  });
}

const logs = new WeakMap();

// The logarithms of a grid's edges, worked out once.
function logsOf(edges) {
  if (!logs.has(edges)) logs.set(edges, Float64Array.from(edges, Math.log10));
  return logs.get(edges);
}

// A staircase around the bins in use: points (log10 of the edge, density),
// from zero to zero.
export function outline(record, edges, linear) {
  if (!record || record.counts.length === 0 || edges.length === 0) return [];
  const at = logsOf(edges), { first, counts } = record, points = [[at[first], 0]];
  let total = 0;
  for (const count of counts) total += count;
  for (let i = 0; i < counts.length; i++) {
    const low = first + i, width = linear ? edges[low + 1] - edges[low] : at[low + 1] - at[low];
    const density = counts[i] / total / width;
    points.push([at[low], density], [at[low + 1], density]);
  }
  points.push([points.at(-1)[0], 0]);
  return points;
}

// A chart of rows, as views give it but for its numbers.
// labels: a text for each row, left of it; rowName: what they are; series: [{name, rows: [{points,
// median, color, note, tip}]}], a row each; range: as of decades(); overlap:
// how many rows a peak may reach over; notes: whether there is room for them
// at the right, where the chart is wide.
export function rowsChart(rows) {
  const { labels, series, range, axisName, ink, notes = false, overlap = 0.92 } = rows;
  const names = series.map((s) => [s.name, s.rows[0]?.color]);
  return {
    version: JSON.stringify([labels, series.length > 1 && names, range, axisName, notes, overlap, ink.text]),
    option: (size) => rowsFrame(rows, size),
    shapes: (size) => rowShapes(rows, placesOf(rows, size)),
    tip(size, x, y) {
      const { left, top, band } = placesOf(rows, size), i = Math.floor((y - top) / band);
      return x < left || !labels[i] ? '' : [labels[i], ...series.flatMap((s) =>
        [series.length > 1 ? s.name : null, s.rows[i]?.tip])].filter(Boolean).join('\n');
    },
  };
}

// Where things stand in a chart of a size, in pixels.
function placesOf({ labels, series, range, notes, overlap = 0.92 }, { width, height }) {
  const narrow = isNarrow({ width }), [min, max] = range ?? NO_RANGE;
  const left = labelRoom(labels, { width }), right = narrow || !notes ? MARGIN : NOTES;
  const top = TOP + legendHeight(series, { width }) + (overlap > 1 ? ABOVE : 0);
  const bottom = narrow ? NARROW_BOTTOM : BOTTOM;
  const band = (height - top - bottom) / Math.max(labels.length, 1);
  return { narrow, left, right, top, bottom, band,
    reach: overlap > 1 ? Math.min(overlap, 1 + (ABOVE + TOP / 2) / band) : overlap,
    end: width - right, x: (v) => left + (v - min) / (max - min) * (width - left - right) };
}

// Above the rows: who is who, where there are several.
const legendHeight = (series, size) => series.length < 2 ? 0
  : legendOf(series.map((s) => s.name), size, {}).height;

// The axes, which stand still.
function rowsFrame(rows, size) {
  const { labels, series, range, axisName, rowName, ink } = rows, [min, max] = range ?? NO_RANGE;
  const { narrow, left, right, top, bottom } = placesOf(rows, size);
  const interval = Math.max(1, Math.ceil((max - min) / (narrow ? 4 : 12)));
  return {
    grid: { left, right, top, bottom, outerBoundsMode: 'none' },
    legend: series.length > 1 ? legendOf(series.map((s) => s.name), size, ink).legend : { show: false },
    xAxis: { type: 'value', min, max, interval,
      axisLabel: { color: ink.quiet, formatter: powerOfTen,
        showMaxLabel: (max - min) % interval === 0 },
      axisLine: { show: true, onZero: false, lineStyle: { color: ink.line } },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } },
      name: nameUnder(axisName, { left, right }, size), nameLocation: 'middle', nameGap: 28,
      nameTextStyle: { color: ink.quiet, fontSize: 12, lineHeight: LINE_HEIGHT } },
    yAxis: { type: 'category', data: labels, inverse: true, ...nameOver(rowName, ink),
      axisLine: { show: false, onZero: false }, axisTick: { show: false },
      splitLine: { show: true, interval: 0, lineStyle: { color: ink.line } },
      axisLabel: { color: ink.text, fontSize: narrow ? 10 : 12, interval: 'auto' } },
    series: series.map((one) => ({ type: 'line', name: one.name, data: [], symbol: 'rect',
      itemStyle: { color: one.rows[0]?.color } })),
  };
}

function rowShapes({ labels, series, notes, overlap = 0.92, opacity = 0.4, ink }, places) {
  const { narrow, top, band, end, reach } = places;
  const shapes = labels.flatMap((_, i) => {
    const rows = series.map((s) => s.rows[i]).filter((row) => row?.points.length);
    const highest = Math.max(...rows.map((row) => peak(row)));
    return rows.flatMap((row, k) => ridge(row, { ...places, base: top + (i + 1) * band - 1,
      tall: (band - 2) * reach / (highest || 1), overlap, opacity,
      behind: overlap > 1 && k === 0 ? ink.card : null }));
  });
  if (notes && !narrow)
    series[0].rows.forEach((row, i) => shapes.push(...note(row.note, end + 8, top + (i + 0.5) * band,
      Math.max(1, Math.floor(band / NOTE_LINE)), ink.quiet)));
  return shapes;
}

// As many lines as there is room for; the last has the rest.
function note(text, x, y, room, fill) {
  const all = text.split('\n'), lines = [...all.slice(0, room - 1), all.slice(room - 1).join(', ')];
  const top = y - (lines.filter(Boolean).length - 1) * NOTE_LINE / 2;
  return lines.filter(Boolean).map((line, i) => ({ type: 'text', style: { text: line, x,
    y: top + i * NOTE_LINE, fill, fontSize: 11, verticalAlign: 'middle' } }));
}

const peak = (row) => row.points.reduce((high, p) => Math.max(high, p[1]), 0);

// tall: pixels for one unit of density.
function ridge({ points, color, median }, { x, left, end, base, tall, band, overlap, opacity, behind }) {
  const shape = { points: points.map(([at, density]) => [x(at), base - density * tall]) };
  const shapes = [];
  // What lies behind a ridge does not shine through it.
  if (behind) shapes.push({ type: 'polygon', shape, style: { fill: behind, opacity: 0.75 } });
  shapes.push({ type: 'polygon', shape,
    style: { fill: color, fillOpacity: opacity, stroke: color, lineWidth: 1.5 } });
  const at = median > 0 ? x(Math.log10(median)) : NaN;
  if (at >= left && at <= end) {
    shapes.push({ type: 'line', style: { stroke: color, lineWidth: 2 },
      shape: { x1: at, x2: at, y1: base, y2: base - (band - 2) * Math.min(overlap, 1) } });
  }
  return shapes;
}

// What a histogram cannot show: its median, and steps that have no place on a
// logarithmic axis.
export function apart(summary, histogram) {
  if (!summary) return 'no data yet';
  const words = [`median ${norm(summary.median)}`];
  if (histogram?.zeros) words.push(`${histogram.zeros} zero`);
  const outside = (histogram?.underflow ?? 0) + (histogram?.overflow ?? 0);
  if (outside) words.push(`${outside} off the axis`);
  if (histogram?.nonfinite) words.push(`${histogram.nonfinite} not finite`);
  return words.join('\n');
}

// Where the axis of a grid ends before the numbers do: a sentence, or null.
export function offAxis(records) {
  const known = records.filter(Boolean);
  const sum = (of) => known.reduce((all, record) => all + of(record), 0);
  const off = sum((r) => r.underflow + r.overflow), all = sum(countOf);
  return off === 0 ? null
    : `${off} of ${all} values lie off this axis${off === all ? ', so that nothing is drawn' : ''}: ` +
      'the notebook’s bins go from 10⁻¹⁰ to 1, those of the density per decade further.';
}

// What has no place on a logarithmic axis: a sentence, or null.
export function notDrawn(records) {
  const sum = (of) => records.filter(Boolean).reduce((all, record) => all + record[of], 0);
  const words = [[sum('nonfinite'), 'not finite'], [sum('zeros'), 'zero']]
    .filter(([n]) => n > 0).map(([n, what]) => `${n} that ${n > 1 ? 'are' : 'is'} ${what}`);
  return words.length === 0 ? null
    : `Not drawn, as there is no place for them on a logarithmic axis: ${words.join(' and ')}.`;
}

export const countOf = (record) => record ? record.counts.reduce((a, b) => a + b, 0)
  + record.underflow + record.overflow + record.zeros + record.nonfinite : null;

// Bins as a table that other programs read.
export function binRows(job, epoch, layer, record, edges, linear) {
  if (!record || edges.length === 0) return [];
  const density = densities(record, edges, linear);
  return Array.from(record.counts, (count, i) => [job, epoch, layer, edges[record.first + i],
    edges[record.first + i + 1], count, density[i]]);
}
export const BIN_HEADS = ['job', 'epoch', 'layer', 'from', 'to', 'count', 'density'];
