// A norm against depth: what the depth profile and the first steps share.
import { norm, powerOfTen } from '../format.js';
import { LINE_HEIGHT, wrap } from './frame.js';
import { axisOf, valueOf } from './quantities.js';

export const GRID = { left: 76, right: 20, bottom: 44 };
const ABOVE = 12, LABELS = 8;
export const SYMBOLS = ['circle', 'rect', 'triangle'];

// The layers of the main path that have such a number: {x: depth, y: log10}.
export const shown = (layers, value) => layers.filter((l) => l.main && l[value] > 0)
  .map((l) => ({ ...l, x: l.depth, y: Math.log10(l[value]) }));

// Of norms that must be on the axis: {deepest, low, high, every}, low and high
// in whole decades, a label every few of them.
export function boundsOf(layers, norms) {
  const known = norms.filter((x) => x > 0).map(Math.log10);
  const low = known.length ? Math.floor(Math.min(...known)) : -1;
  const high = known.length ? Math.ceil(Math.max(...known)) : 0;
  const every = Math.max(1, Math.ceil((high - low) / LABELS));
  return { deepest: Math.max(1, ...layers.filter((l) => l.main).map((l) => l.depth)), low,
    high: low + every * Math.max(1, Math.ceil((high - low) / every)), every };
}

// legend: pixels that it takes.
export function axes({ deepest, low, high, every }, legend, quantity, { height }, ink) {
  // It may be longer than the axis, by what is left below.
  const name = wrap(axisOf(quantity), height - legend - ABOVE);
  return {
    grid: { ...GRID, top: legend + ABOVE, outerBoundsMode: 'none' },
    xAxis: { type: 'value', min: 0, max: deepest, minInterval: 1,
      name: 'depth: convolutions from the input',
      nameLocation: 'middle', nameGap: 28, nameTextStyle: { color: ink.quiet },
      axisLine: { onZero: false, lineStyle: { color: ink.line } },
      axisLabel: { color: ink.quiet, hideOverlap: true }, splitLine: { show: false } },
    yAxis: { type: 'value', min: low, max: high, minInterval: 1,
      name, nameLocation: 'middle',
      nameGap: Math.min(46, GRID.left - 10 - LINE_HEIGHT * name.split('\n').length),
      nameTextStyle: { color: ink.quiet, lineHeight: LINE_HEIGHT },
      interval: every, axisLabel: { color: ink.quiet, formatter: powerOfTen },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
  };
}

// Where depth and log10 of a norm stand, in pixels.
export function placesOf({ deepest, low, high }, legend, { width, height }) {
  const top = legend + ABOVE;
  const wide = (width - GRID.left - GRID.right) / deepest;
  const tall = (height - top - GRID.bottom) / (high - low);
  return { at: (x, y) => [GRID.left + x * wide, top + (high - y) * tall],
    depth: (x) => (x - GRID.left) / wide };
}

// A slope as people say it; of layers that the line goes through, the first
// eighth over the last.
export function slopeWords(slope, complete, quantity) {
  if (!slope || slope.factor_per_layer === null || slope.factor_per_layer === undefined)
    return complete ? 'No slope: too few layers have a number to fit it to.'
      : 'No slope yet: it is fitted when the epoch is complete.';
  const { factor_per_layer: factor, decades_per_layer: decades, low, high, seeds } = slope;
  const sure = low === null || high === null ? ''
    : ` (${seeds ? `${seeds} seeds` : '95 %'}: ${norm(low)} to ${norm(high)})`;
  const layers = Math.abs(1 / decades);
  const tenfold = layers > 1000 ? 'which is level'
    : `tenfold ${decades > 0 ? 'growth' : 'loss'} every ${Math.max(1, Math.round(layers))} layers`;
  const ends = slope.ratio === null || slope.ratio === undefined ? ''
    : ` The first layers have ${norm(10 ** slope.ratio)} times the ${valueOf(quantity)} of the last ones ` +
      `(${norm(slope.ratio)} decades).`;
  return `Each layer towards the input multiplies the ${valueOf(quantity)} by ${norm(factor)}${sure}: ` +
    `${norm(decades)} decades a layer, ${tenfold}.${ends}`;
}

