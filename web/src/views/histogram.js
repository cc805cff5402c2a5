// The notebook's picture: how the gradient norms of an epoch are distributed,
// a row per layer from the input (top) to the output, on a logarithmic axis.
import { norm } from '../format.js';
import { SERIES } from '../palette.js';
import { binsInUse, edgesOf, histogramOf } from '../track.js';
import { legendRoom } from './frame.js';
import { layersOfAll, pickLayers } from './layers.js';
import { axisOf, isGradient, valueOf } from './quantities.js';
import { apart, BIN_HEADS, binRows, countOf, decades, join, notDrawn, offAxis, outline,
  rowsChart } from './rows.js';

const HEADS = ['Layer', 'Median', '5 %', '95 %', 'Steps', 'Zeros', 'Not finite'];

// The grid and the steps that a state asks for.
export function gridOf(state) {
  const linear = state.density === 'linear';
  return { linear, bins: linear ? 'notebook' : 'decade8',
    source: state.source === 'samples' ? 'samples' : 'all' };
}

export const rangeOf = (tracks, { bins, source }, layers) => join(tracks.map((track) =>
  decades(edgesOf(track, bins, source), binsInUse(track, bins, source, layers))));

const rowHeight = (n) => n <= 8 ? 70 : n <= 20 ? 40 : 26;

function rowOf(track, grid, epoch, layer, color) {
  const summary = epoch?.layers.get(layer);
  const record = epoch && histogramOf(track, grid.bins, grid.source, epoch.epoch, layer);
  const edges = edgesOf(track, grid.bins, grid.source);
  return { points: outline(record, edges, grid.linear), median: summary?.median, color,
    tip: apart(summary, record), note: apart(summary, record) };
}

function numbers(track, grid, epoch, layers) {
  return { heads: HEADS, rows: layers.map((name) => {
    const one = epoch?.layers.get(name) ?? {};
    const record = epoch && histogramOf(track, grid.bins, grid.source, epoch.epoch, name);
    return [name, norm(one.median), norm(one.p05), norm(one.p95), String(countOf(record) ?? '–'),
      String(record?.zeros ?? '–'), String(record?.nonfinite ?? '–')];
  }) };
}

function chartOf(ctx, tracks, { grid, layers, range, key, title }) {
  const epochs = tracks.map(ctx.epochOf);
  const series = tracks.map((track, k) => ({ name: ctx.nameOf(track),
    rows: layers.map((name, i) => rowOf(track, grid, epochs[k], name,
      SERIES[(tracks.length > 1 ? ctx.tracks.indexOf(track) : i) % SERIES.length])) }));
  const records = tracks.flatMap((track, k) => layers.map((name) => epochs[k]
    && histogramOf(track, grid.bins, grid.source, epochs[k].epoch, name)));
  return {
    key, title, height: layers.length * rowHeight(layers.length) + 68 + legendRoom(tracks.length),
    label: `Histograms: ${axisOf(ctx.tracks[0].quantity)}, job ${tracks.map((t) => t.id).join(' and ')}`,
    words: [grid.linear ? offAxis(records) : null, notDrawn(records)],
    ...rowsChart({ labels: layers, rowName: 'layer', notes: tracks.length === 1, series, range, ink: ctx.ink,
      axisName: axisOf(ctx.tracks[0].quantity) }),
    table: () => ({ heads: tracks.length > 1 ? ['Job', ...HEADS] : HEADS,
      rows: tracks.flatMap((track, k) => numbers(track, grid, epochs[k], layers).rows
        .map((row) => tracks.length > 1 ? [String(track.id), ...row] : row)) }),
    csv: () => ({ heads: BIN_HEADS, rows: tracks.flatMap((track, k) => layers.flatMap((name) =>
      binRows(track.id, epochs[k]?.epoch, name, epochs[k] && histogramOf(track, grid.bins,
        grid.source, epochs[k].epoch, name), edgesOf(track, grid.bins, grid.source), grid.linear))) }),
  };
}

export const histogram = {
  id: 'histogram', label: 'Histogram',
  controls: () => ['epoch', 'layers', 'density', 'source', 'together', 'quantity'],
  text: (state, quantity) => state.density === 'linear'
    ? `The notebook’s density: steps for each unit of the ${valueOf(quantity)}, drawn over a logarithmic ` +
      'axis. It misleads: a bin one decade further left is ten times narrower, so as many steps there ' +
      'stand ten times higher, and areas no longer show how many steps there are.'
    : 'A row is a layer, from the input at the top to the output. The further left it stands, the ' +
      (isGradient(quantity) ? 'less of the gradient arrives' : `smaller its ${valueOf(quantity)} is`) +
      '. Areas show shares of steps (density per decade); each row has its own height. The line is the median.',
  needs: (ctx) => ({ ...gridOf(ctx.state), layers: pickLayers(layersOfAll(ctx.tracks), ctx.state.layers) }),
  charts(ctx) {
    const grid = gridOf(ctx.state), layers = pickLayers(layersOfAll(ctx.tracks), ctx.state.layers);
    const range = rangeOf(ctx.tracks, grid, layers);
    if (ctx.state.together === '1' && ctx.tracks.length > 1)
      return [chartOf(ctx, ctx.tracks, { grid, layers, range, key: 'all' })];
    return ctx.tracks.map((track) => chartOf(ctx, [track], { grid, layers, range,
      key: `job-${track.id}`, title: ctx.nameOf(track) }));
  },
};
