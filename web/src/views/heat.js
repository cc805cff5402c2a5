// Heat map: the median norm of every layer in every epoch, on one screen.
import { norm, powerOfTen } from '../format.js';
import { AROUND, RISING } from '../palette.js';
import { epochsOf } from '../track.js';
import { layersOfAll } from './layers.js';

const ROW = 12, TOP = 8, BOTTOM = 92;

const cellsOf = (track, names, value) => epochsOf(track).flatMap((epoch, x) =>
  names.flatMap((name, y) => {
    const median = value(epoch, name);
    return median > 0 ? [{ value: [x, y, Math.log10(median)], median }] : [];
  }));

function renderItem(params, api) {
  const [x, y] = api.coord([api.value(0), api.value(1)]), [width, height] = api.size([1, 1]);
  const left = Math.floor(x - width / 2), top = Math.floor(y - height / 2);
  return { type: 'rect', style: { fill: api.visual('color') },
    shape: { x: left, y: top, width: Math.ceil(x + width / 2) - left,
      height: Math.ceil(y + height / 2) - top } };
}

function option({ epochs, names, cells, low, high, colours, what, ink }, { width }) {
  const narrow = width < 560, quiet = { color: ink.quiet, fontSize: 10 };
  return {
    grid: { left: narrow ? 108 : 150, right: 16, top: TOP, bottom: BOTTOM },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ data }) =>
      `${names[data.value[1]]}, epoch ${epochs[data.value[0]]}\n${what} ${norm(data.median)}` },
    xAxis: { type: 'category', data: epochs.map(String), name: 'epoch', nameLocation: 'middle',
      nameGap: 24, nameTextStyle: { color: ink.quiet }, axisLabel: quiet,
      axisLine: { lineStyle: { color: ink.line } } },
    yAxis: { type: 'category', data: names, inverse: true, axisTick: { show: false },
      axisLabel: { ...quiet, interval: 0, color: ink.text },
      axisLine: { lineStyle: { color: ink.line } } },
    visualMap: { type: 'continuous', dimension: 2, min: low, max: high, calculable: true, orient: 'horizontal',
      left: 'center', bottom: 2, itemHeight: Math.min(320, width / 2), itemWidth: 14,
      textStyle: { color: ink.text }, inRange: { color: colours },
      formatter: (v) => Number.isInteger(v) ? powerOfTen(v) : norm(10 ** v) },
    // Not a heatmap series: ECharts 6 paints those bit by bit, so that a file
    // would get only the first cells.
    series: [{ type: 'custom', data: cells, progressive: 0, encode: { x: 0, y: 1 }, renderItem }],
  };
}

function chart(ctx, track, names, { key, title, label, value, what, low, high, colours }) {
  const epochs = epochsOf(track).map((e) => e.epoch);
  const matrix = (text) => ({ heads: ['Layer', ...epochs.map((e) => `Epoch ${e}`)],
    rows: names.map((name) => [name, ...epochsOf(track).map((e) => text(value(e, name)))]) });
  return { key, title, label, height: Math.max(240, names.length * ROW + TOP + BOTTOM),
    option: (size) => option({ epochs, names, cells: cellsOf(track, names, value), low, high,
      colours, what, ink: ctx.ink }, size),
    table: () => matrix(norm), csv: () => matrix((x) => x) };
}

// The second job over the first, layer by layer and epoch by epoch.
function ratioChart(ctx, [first, second], names) {
  const value = (epoch, name) => {
    const below = first.summaries.get(epoch.epoch)?.layers.get(name)?.median;
    const above = epoch.layers.get(name)?.median;
    return above > 0 && below > 0 ? above / below : null;
  };
  const most = Math.max(1, ...cellsOf(second, names, value).map((c) => Math.ceil(Math.abs(c.value[2]))));
  return chart(ctx, second, names, { key: 'ratio', what: 'factor', value, low: -most, high: most,
    colours: AROUND, title: `${ctx.nameOf(second)} over ${ctx.nameOf(first)}`,
    label: `Heat map of the ratio of job ${second.id} to job ${first.id}` });
}

export const heat = {
  id: 'heat', label: 'Heat map',
  controls: () => [],
  text: () => 'Median norm of every layer (input at the top) in every epoch. A column that turns ' +
    'dark towards the top is a gradient that vanishes; a row that changes is a layer that settles.',
  charts(ctx) {
    const names = layersOfAll(ctx.tracks).map((l) => l.name);
    const value = (epoch, name) => epoch.layers.get(name)?.median;
    const logs = ctx.tracks.flatMap((track) => cellsOf(track, names, value).map((c) => c.value[2]));
    const low = logs.reduce((a, b) => Math.min(a, b), Infinity);
    const high = logs.reduce((a, b) => Math.max(a, b), -Infinity);
    const scale = logs.length ? { low: Math.floor(low), high: Math.ceil(high) } : { low: -10, high: 0 };
    const charts = ctx.tracks.map((track) => chart(ctx, track, names, { key: `job-${track.id}`,
      what: 'median', value, ...scale, colours: RISING, title: ctx.nameOf(track),
      label: `Heat map of median norms of job ${track.id}, layers by epochs` }));
    return ctx.tracks.length === 2 ? [...charts, ratioChart(ctx, ctx.tracks, names)] : charts;
  },
};
