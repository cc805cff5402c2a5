// Distributions as rows over one logarithmic axis: what histogram and
// ridgeline share.
import { norm, powerOfTen } from '../format.js';

const TOP = 8, BOTTOM = 46, LEGEND = 30, NARROW = 560;

// Powers of ten that hold every bin in use in all histograms, so that the axis
// stands still while the slider moves: [low, high], or null without data.
export function decades(edges, histograms) {
  let first = Infinity, end = -Infinity;
  for (const record of histograms) {
    if (record.counts.length === 0) continue;
    first = Math.min(first, record.first);
    end = Math.max(end, record.first + record.counts.length);
  }
  return first > end || edges.length === 0 ? null
    : [Math.floor(Math.log10(edges[first]) + 1e-9), Math.ceil(Math.log10(edges[end]) - 1e-9)];
}

// One range that holds all.
export function join(ranges) {
  const known = ranges.filter(Boolean);
  return known.length === 0 ? null
    : [Math.min(...known.map((r) => r[0])), Math.max(...known.map((r) => r[1]))];
}

// The density in each bin, as the histograms route gives it: it integrates to
// 1 over what is in range, in decades or in units of x.
export function densities({ first, counts }, edges, linear) {
  const total = counts.reduce((a, b) => a + b, 0);
  return Array.from(counts, (count, i) => {
    const low = edges[first + i], high = edges[first + i + 1];
    return count / total / (linear ? high - low : Math.log10(high) - Math.log10(low));
  });
}

// A staircase around the bins in use: points (log10 of the edge, density),
// from zero to zero.
export function outline(record, edges, linear) {
  if (!record || record.counts.length === 0 || edges.length === 0) return [];
  const points = [[Math.log10(edges[record.first]), 0]];
  densities(record, edges, linear).forEach((density, i) => {
    points.push([Math.log10(edges[record.first + i]), density],
      [Math.log10(edges[record.first + i + 1]), density]);
  });
  points.push([points.at(-1)[0], 0]);
  return points;
}

// labels, notes: a text for each row, left and right of it (notes may be
// null). series: [{name, rows: [{points, median, color, tip}]}], a row each;
// range: as of decades(); overlap: how many rows a peak may reach over;
// sameScale: heights compare between rows, else each row fills its own.
export function rowsOption({ labels, notes, series, range, overlap = 0.92, opacity = 0.4,
  sameScale = false, axisName, ink }, { width }) {
  const narrow = width < NARROW, [min, max] = range ?? [-10, 0];
  const peaks = labels.map((_, i) => Math.max(0, ...series.map((s) => peak(s.rows[i]))));
  const highest = Math.max(0, ...peaks);
  const quiet = { color: ink.quiet, fontSize: 12 };
  const side = (data, position) => ({ type: 'category', data, inverse: true, position,
    axisLine: { show: false }, axisTick: { show: false },
    splitLine: { show: position === 'left', interval: 0, lineStyle: { color: ink.line } },
    axisLabel: { ...quiet,
      color: position === 'left' ? ink.text : ink.quiet, fontSize: narrow ? 11 : 12 } });

  return {
    grid: { left: narrow ? 108 : 150, right: narrow || !notes ? 16 : 120,
      top: TOP + (series.length > 1 ? LEGEND : 0) + (overlap > 1 ? 30 : 0), bottom: BOTTOM },
    legend: { show: series.length > 1, top: 0, textStyle: { color: ink.text } },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ seriesIndex, dataIndex }) =>
      series[seriesIndex].rows[dataIndex]?.tip ?? '' },
    xAxis: { type: 'value', min, max, interval: Math.max(1, Math.ceil((max - min) / (narrow ? 4 : 12))),
      axisLabel: { color: ink.quiet, formatter: powerOfTen },
      axisLine: { show: true, onZero: false, lineStyle: { color: ink.line } },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } },
      name: axisName, nameLocation: 'middle', nameGap: 28, nameTextStyle: quiet },
    yAxis: [side(labels, 'left'), ...(notes && !narrow ? [side(notes, 'right')] : [])],
    series: series.map((one) => ({
      type: 'custom', name: one.name, itemStyle: { color: one.rows[0]?.color },
      data: labels.map((_, i) => [min, i]),
      renderItem: (params, api) => {
        const i = params.dataIndex;
        return row(one.rows[i], { api, i, min, overlap, opacity, ink,
          full: sameScale ? highest : peaks[i] });
      },
    })),
  };
}

const peak = (row) => (row?.points ?? []).reduce((high, p) => Math.max(high, p[1]), 0);

function row(data, { api, i, min, overlap, opacity, full, ink }) {
  const [left, middle] = api.coord([min, i]), [next] = api.coord([min + 1, i]);
  const band = api.size([0, 1])[1], base = middle + band / 2 - 1;
  const at = (x) => left + (x - min) * (next - left);
  const children = [];

  if (data?.points.length) {
    const points = data.points.map(([x, y]) =>
      [at(x), base - (full ? (y / full) * (band - 2) * overlap : 0)]);
    // What lies behind a ridge does not shine through it.
    if (overlap > 1)
      children.push({ type: 'polygon', shape: { points }, style: { fill: ink.card, opacity: 0.75 } });
    children.push({ type: 'polygon', shape: { points },
      style: { fill: data.color, fillOpacity: opacity, stroke: data.color, lineWidth: 1.5 } });
    if (data.median > 0)
      children.push({ type: 'line', style: { stroke: data.color, lineWidth: 2 }, shape: {
        x1: at(Math.log10(data.median)), x2: at(Math.log10(data.median)), y1: base,
        y2: base - (band - 2) * Math.min(overlap, 1) } });
  }
  return { type: 'group', children };
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
