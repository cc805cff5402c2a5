// Ridgelines: how the distribution of one layer moves over the epochs, or how
// it changes from layer to layer within one epoch.
import { norm } from '../format.js';
import { SERIES } from '../palette.js';
import { edgesOf, epochsOf, histogramOf } from '../track.js';
import { gridOf, rangeOf } from './histogram.js';
import { legendRoom } from './frame.js';
import { layersOfAll, pickLayers } from './layers.js';
import { axisOf, isGradient, valueOf } from './quantities.js';
import { apart, BIN_HEADS, binRows, notDrawn, outline, rowsChart } from './rows.js';

const MOST = 40;            // epochs in one picture
const HEADS = ['Median', '5 %', '95 %', 'Zeros', 'Not finite'];

const overLayers = (state) => state.over === 'layers';

// At most MOST, the first and the last always among them.
function thin(epochs) {
  if (epochs.length <= MOST) return epochs;
  return Array.from({ length: MOST }, (_, i) =>
    epochs[Math.round((i * (epochs.length - 1)) / (MOST - 1))]);
}

const layerOf = (ctx) => ctx.state.layer ?? layersOfAll(ctx.tracks)[0]?.name;
const layersOf = (ctx) => overLayers(ctx.state)
  ? pickLayers(layersOfAll(ctx.tracks), ctx.state.layers || 'main') : [layerOf(ctx)].filter(Boolean);

// What the rows are: [{label, epoch, layer}].
function rowsOf(ctx, track) {
  if (!overLayers(ctx.state))
    return thin(epochsOf(track)).map((epoch) =>
      ({ label: `epoch ${epoch.epoch}`, epoch, layer: layerOf(ctx) }));
  const epoch = ctx.epochOf(track);
  return epoch ? layersOf(ctx).map((layer) => ({ label: layer, epoch, layer })) : [];
}

function chartOf(ctx, tracks, range, key, title) {
  const grid = gridOf(ctx.state), all = tracks.map((track) => rowsOf(ctx, track));
  const rows = all.reduce((a, b) => b.length > a.length ? b : a, []);
  const records = tracks.map((track, k) => all[k].map(({ epoch, layer }) =>
    histogramOf(track, grid.bins, grid.source, epoch.epoch, layer)));
  const series = tracks.map((track, k) => ({ name: ctx.nameOf(track),
    rows: all[k].map(({ epoch, layer }, i) => ({
      points: outline(records[k][i], edgesOf(track, grid.bins, grid.source), grid.linear),
      median: epoch.layers.get(layer)?.median, tip: apart(epoch.layers.get(layer), records[k][i]),
      color: tracks.length > 1 ? SERIES[ctx.tracks.indexOf(track) % SERIES.length]
        : ctx.ink.rising(i / Math.max(rows.length - 1, 1)) })) }));
  return {
    key, title,
    height: Math.max(220, rows.length * (rows.length > 12 ? 18 : 34) + 120) + legendRoom(tracks.length),
    words: [notDrawn(records.flat())],
    label: `Ridgeline: ${axisOf(ctx.tracks[0].quantity)}, job ${tracks.map((t) => t.id).join(' and ')}`,
    ...rowsChart({ labels: rows.map((r) => r.label), series, range, overlap: 2.4,
      rowName: overLayers(ctx.state) ? 'layer' : '',
      opacity: tracks.length > 1 ? 0.4 : 0.7, ink: ctx.ink,
      axisName: axisOf(ctx.tracks[0].quantity) }),
    table: () => ({ heads: ['Job', overLayers(ctx.state) ? 'Layer' : 'Epoch', ...HEADS],
      rows: tracks.flatMap((track, k) => all[k].map(({ label, epoch, layer }, i) => {
        const one = epoch.layers.get(layer) ?? {}, record = records[k][i];
        return [String(track.id), label, norm(one.median), norm(one.p05), norm(one.p95),
          String(record?.zeros ?? '–'), String(record?.nonfinite ?? '–')];
      })) }),
    csv: () => ({ heads: BIN_HEADS, rows: tracks.flatMap((track, k) => all[k].flatMap((row, i) =>
      binRows(track.id, row.epoch.epoch, row.layer, records[k][i],
        edgesOf(track, grid.bins, grid.source), grid.linear))) }),
  };
}

export const ridge = {
  id: 'ridge', label: 'Ridgeline',
  controls: (state) => overLayers(state) ? ['over', 'epoch', 'layers', 'source', 'together', 'quantity']
    : ['over', 'layer', 'source', 'together', 'quantity'],
  text: (state, quantity) => overLayers(state)
    ? 'The layers of one epoch behind each other, the input at the top. ' + (isGradient(quantity)
      ? 'A ridge that drifts to the left towards the top is a gradient that vanishes on its way to the input.'
      : `The further left a ridge stands, the smaller the layer’s ${valueOf(quantity)} is.`)
    : `One layer, epoch after epoch from top to bottom. Of more than ${MOST} epochs, ${MOST} ` +
      'spread evenly are drawn.',
  needs: (ctx) => ({ ...gridOf(ctx.state), layers: layersOf(ctx) }),
  charts(ctx) {
    const range = rangeOf(ctx.tracks, gridOf(ctx.state), layersOf(ctx));
    if (ctx.state.together === '1' && ctx.tracks.length > 1)
      return [chartOf(ctx, ctx.tracks, range, 'all')];
    return ctx.tracks.map((track) =>
      chartOf(ctx, [track], range, `job-${track.id}`, ctx.nameOf(track)));
  },
};
