// The notebook's picture: how the gradient norms of an epoch are distributed,
// a row per layer from the input (top) to the output, on a logarithmic axis.
import { norm, powerOfTen } from '../format.js';
import { SERIES } from '../palette.js';

const TOP = 6, BOTTOM = 46, LEFT = 124, RIGHT = 96, GAP = 4;

// Powers of ten that hold every bin in use in all epochs, so that the axis
// stands still while the slider moves: [low, high], or null without data.
export function decades(edges, epochs) {
  let low = Infinity, high = -Infinity;
  for (const epoch of epochs)
    for (const { counts } of Object.values(epoch.layers))
      counts.forEach((count, i) => {
        if (!count) return;
        low = Math.min(low, edges[i]);
        high = Math.max(high, edges[i + 1]);
      });
  return low > high ? null
    : [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
}

// edges: of the bins, one more than there are bins. epoch: {layers: {name:
// {counts, zeros, nonfinite, median}}} or undefined. range: as of decades().
export function histogramOption({ edges, epoch, layers, range, height, ink }) {
  const row = (height - TOP - BOTTOM) / layers.length;
  const option = { grid: [], xAxis: [], yAxis: [], title: [], series: [],
    tooltip: { trigger: 'item', renderMode: 'richText' } };

  layers.forEach((name, i) => {
    const layer = epoch?.layers[name];
    const top = TOP + i * row;
    option.grid.push({ left: LEFT, right: RIGHT, top, height: row - GAP });
    option.xAxis.push(xAxis(i, range, i === layers.length - 1, ink));
    option.yAxis.push({ type: 'value', gridIndex: i, min: 0, show: false });
    option.title.push(label(name, { left: 0 }, top + row / 2, ink.text),
      label(numbers(layer), { right: 0 }, top + row / 2, ink.quiet));
    option.series.push(rowSeries(i, name, layer, edges));
  });
  return option;
}

function xAxis(i, range, last, ink) {
  const [min, max] = range ?? [-10, 0];
  return {
    type: 'value', gridIndex: i, min, max,
    interval: Math.max(1, Math.ceil((max - min) / 12)),
    axisLabel: { show: last, color: ink.quiet, formatter: powerOfTen },
    axisTick: { show: last }, axisLine: { show: true, onZero: false, lineStyle: { color: ink.line } },
    splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } },
    name: last ? 'L2 norm of the gradient at the layer’s output' : '',
    nameLocation: 'middle', nameGap: 28, nameTextStyle: { color: ink.quiet },
  };
}

function label(text, side, middle, color) {
  return { text, ...side, top: middle - 12, padding: 0,
    textStyle: { fontSize: 12, fontWeight: 'normal', lineHeight: 16, color } };
}

// What a histogram cannot show: its median, and steps that have no place on a
// logarithmic axis.
function numbers(layer) {
  if (!layer) return 'no data yet';
  const apart = [];
  if (layer.zeros) apart.push(`${layer.zeros} zero`);
  if (layer.nonfinite) apart.push(`${layer.nonfinite} not finite`);
  return [`median ${norm(layer.median)}`, ...apart].join('\n');
}

function rowSeries(i, name, layer, edges) {
  return {
    type: 'line', name, xAxisIndex: i, yAxisIndex: i, step: 'start',
    data: layer ? outline(layer.counts, edges) : [], showSymbol: false,
    lineStyle: { width: 1.5, color: SERIES[i % SERIES.length] },
    itemStyle: { color: SERIES[i % SERIES.length] },
    areaStyle: { color: SERIES[i % SERIES.length], opacity: 0.35 },
    markLine: medianLine(layer, SERIES[i % SERIES.length]),
  };
}

function medianLine(layer, color) {
  if (!layer?.median) return undefined;
  return { silent: true, symbol: 'none', label: { show: false },
    lineStyle: { color, type: 'solid', width: 2 },
    data: [{ xAxis: Math.log10(layer.median) }] };
}

// Steps per decade: every grid here has bins of one width, so counts divided
// by it. Points are (log10 of the edge, density), a staircase from zero to
// zero around the bins in use.
function outline(counts, edges) {
  const width = Math.log10(edges[1]) - Math.log10(edges[0]);
  const first = counts.findIndex((c) => c > 0);
  if (first < 0) return [];
  const end = counts.findLastIndex((c) => c > 0) + 1;
  const points = [[Math.log10(edges[first]), 0]];
  for (let i = first; i < end; i++)
    points.push([Math.log10(edges[i + 1]), counts[i] / width]);
  points.push([Math.log10(edges[end]), 0]);
  return points;
}
