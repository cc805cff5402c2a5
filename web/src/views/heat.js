// Heat map: the median norm of every layer in every epoch, on one screen.
import { norm, powerOfTen } from '../format.js';
import { AROUND, mixed, RISING } from '../palette.js';
import { epochsOf } from '../track.js';
import { labelRoom, LINE_HEIGHT, wrap } from './frame.js';
import { layersOfAll } from './layers.js';
import { axisOf } from './quantities.js';

const ROW = 12, TOP = 22, BOTTOM = 116, MARGIN = 16;

// Where things stand in a chart of a size, in pixels.
function placesOf({ epochs, names }, { width, height }) {
  const left = labelRoom(names, { width: 0 }), right = MARGIN;
  return { left, right, wide: (width - left - right) / Math.max(epochs.length, 1),
    tall: (height - TOP - BOTTOM) / Math.max(names.length, 1) };
}

// map: {epochs, names, value(epoch, name), low, high, colours, what, scale,
// ink}; low and high are decades, scale what the colours say.
function frame({ epochs, names, low, high, colours, scale, ink }, size) {
  const { left, right } = placesOf({ epochs, names }, size);
  const quiet = { color: ink.quiet, fontSize: 10 }, named = { nameTextStyle: { color: ink.quiet } };
  return {
    grid: { left, right, top: TOP, bottom: BOTTOM, outerBoundsMode: 'none' },
    title: { text: wrap(scale, size.width - MARGIN), left: 'center', top: size.height - 68,
      textStyle: { color: ink.quiet, fontSize: 12, lineHeight: LINE_HEIGHT, fontWeight: 'normal' } },
    xAxis: { type: 'category', data: epochs.map((e) => String(e.epoch)), name: 'epoch',
      nameLocation: 'middle', nameGap: 24, ...named, axisLabel: quiet,
      axisLine: { lineStyle: { color: ink.line } } },
    yAxis: { type: 'category', data: names, inverse: true, name: 'layer', nameLocation: 'start',
      nameGap: 6, ...named, axisTick: { show: false },
      axisLabel: { ...quiet, interval: 0, color: ink.text },
      axisLine: { lineStyle: { color: ink.line } } },
    visualMap: { type: 'continuous', min: low, max: high, calculable: false,
      orient: 'horizontal', left: 'center', bottom: 2, itemHeight: Math.min(320, size.width / 2),
      itemWidth: 14, textStyle: { color: ink.text }, inRange: { color: colours },
      text: [label(high), label(low)] },
    series: [{ type: 'line', data: [] }],
  };
}

const label = (decades) => Number.isInteger(decades) ? powerOfTen(decades) : norm(10 ** decades);

// Whole pixels, so that no line shows between cells.
function cells({ epochs, names, value, low, high, colours }, { left, wide, tall }) {
  const shapes = [];
  epochs.forEach((epoch, i) => {
    const x = Math.floor(left + i * wide), width = Math.floor(left + (i + 1) * wide) - x;
    names.forEach((name, j) => {
      const median = value(epoch, name);
      if (!(median > 0)) return;
      const y = Math.floor(TOP + j * tall), height = Math.floor(TOP + (j + 1) * tall) - y;
      shapes.push({ type: 'rect', shape: { x, y, width, height },
        style: { fill: mixed(colours, (Math.log10(median) - low) / (high - low)) } });
    });
  });
  return shapes;
}

function tipAt({ epochs, names, value, what }, { left, wide, tall }, x, y) {
  const epoch = epochs[Math.floor((x - left) / wide)], name = names[Math.floor((y - TOP) / tall)];
  return epoch && name ? `${name}, epoch ${epoch.epoch}\n${what} ${norm(value(epoch, name))}` : '';
}

function chart(ctx, track, names, { key, title, label: words, ...rest }) {
  const map = { ...rest, epochs: epochsOf(track), names, ink: ctx.ink }, { epochs, value } = map;
  const matrix = (text) => ({ heads: ['Layer', ...epochs.map((e) => `Epoch ${e.epoch}`)],
    rows: names.map((name) => [name, ...epochs.map((e) => text(value(e, name)))]) });
  return { key, title, label: words, height: Math.max(240, names.length * ROW + TOP + BOTTOM),
    version: JSON.stringify([epochs.map((e) => e.epoch), names, map.low, map.high, map.scale,
      ctx.ink.text]),
    option: (size) => frame(map, size),
    shapes: (size) => cells(map, placesOf(map, size)),
    tip: (size, x, y) => tipAt(map, placesOf(map, size), x, y),
    table: () => matrix(norm), csv: () => matrix((x) => x) };
}

// A job over the first one, layer by layer and epoch by epoch.
function ratioChart(ctx, first, second, names) {
  const value = (epoch, name) => {
    const below = first.summaries.get(epoch.epoch)?.layers.get(name)?.median;
    const above = epoch.layers.get(name)?.median;
    return above > 0 && below > 0 ? above / below : null;
  };
  const most = epochsOf(second).reduce((top, epoch) => names.reduce((high, name) =>
    Math.max(high, Math.ceil(Math.abs(Math.log10(value(epoch, name) ?? 1)))), top), 1);
  return chart(ctx, second, names, { key: `ratio-${second.id}`, what: 'factor', value, low: -most,
    high: most, colours: AROUND, title: `${ctx.nameOf(second)} over ${ctx.nameOf(first)}`,
    scale: `median norm of job ${second.id} over that of job ${first.id}, log scale`,
    label: `Heat map of the ratio of job ${second.id} to job ${first.id}` });
}

// One colour scale for all jobs of the page.
function scaleOf(tracks) {
  const known = tracks.map((t) => t.medians).filter(Boolean);
  return known.length === 0 ? { low: -10, high: 0 }
    : { low: Math.floor(Math.log10(Math.min(...known.map((m) => m[0])))),
      high: Math.ceil(Math.log10(Math.max(...known.map((m) => m[1])))) };
}

export const heat = {
  id: 'heat', label: 'Heat map',
  controls: () => [],
  text: () => 'Median norm of every layer (input at the top) in every epoch. A column that turns ' +
    'dark towards the top is a gradient that vanishes; a row that changes is a layer that settles. ' +
    'Where a job has no such layer, or its norm was zero or not a number, it stays blank.',
  charts(ctx) {
    const names = layersOfAll(ctx.tracks).map((l) => l.name), [first, ...others] = ctx.tracks;
    return [...ctx.tracks.map((track) => chart(ctx, track, names, { key: `job-${track.id}`,
      what: 'median', value: (epoch, name) => epoch.layers.get(name)?.median,
      ...scaleOf(ctx.tracks), colours: RISING, title: ctx.nameOf(track),
      scale: `median over an epoch: ${axisOf(track.quantity)}, log scale`,
      label: `Heat map of median norms of job ${track.id}, layers by epochs` })),
    ...others.map((other) => ratioChart(ctx, first, other, names))];
  },
};
