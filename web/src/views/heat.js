// Heat map: the median of every layer in every epoch, on one screen.
import { norm, powerOfTen } from '../format.js';
import { AROUND, mixed, RISING } from '../palette.js';
import { epochsOf } from '../track.js';
import { labelRoom, LINE_HEIGHT, nameOver, wrap } from './frame.js';
import { layersOfAll } from './layers.js';
import { axisOf, isGradient, valueOf } from './quantities.js';

const ROW = 12, LEAST_ROW = 4, TOP = 22, MARGIN = 16;
const BELOW = 78;           // pixels under the rows, but for what the colours say
const LABEL = 11;           // pixels that a label of a row needs

// What the colours say, in as many lines as it needs.
const scaleLines = (scale, width) => wrap(scale, width - MARGIN).split('\n');

// Where things stand in a chart of a size, in pixels.
function placesOf({ epochs, names, scale }, { width, height }) {
  const left = labelRoom(names, { width: 0 }), right = MARGIN;
  const bottom = BELOW + LINE_HEIGHT * scaleLines(scale, width).length;
  return { left, right, bottom, wide: (width - left - right) / Math.max(epochs.length, 1),
    tall: (height - TOP - bottom) / Math.max(names.length, 1) };
}

// map: {epochs, names, value(epoch, name), low, high, colours, what, scale,
// ink}; low and high are decades, scale what the colours say.
function frame({ epochs, names, low, high, colours, scale, ink }, size) {
  const { left, right, bottom, tall } = placesOf({ epochs, names, scale }, size);
  const quiet = { color: ink.quiet, fontSize: 10 };
  return {
    grid: { left, right, top: TOP, bottom, outerBoundsMode: 'none' },
    title: { text: scaleLines(scale, size.width).join('\n'), left: 'center', top: size.height - bottom + 42,
      textStyle: { color: ink.quiet, fontSize: 12, lineHeight: LINE_HEIGHT, fontWeight: 'normal' } },
    xAxis: { type: 'category', data: epochs.map((e) => String(e.epoch)), name: 'epoch',
      nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: ink.quiet }, axisLabel: quiet,
      axisLine: { lineStyle: { color: ink.line } } },
    yAxis: { type: 'category', data: names, inverse: true, ...nameOver('layer', ink),
      axisTick: { show: false },
      axisLabel: { ...quiet, interval: Math.max(0, Math.ceil(LABEL / tall) - 1), color: ink.text },
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
  // As high as the window has room for, so that all of it is seen at once.
  const row = Math.max(LEAST_ROW, Math.min(ROW, (ctx.room() - TOP - BELOW - LINE_HEIGHT) / names.length));
  return { key, title, label: words,
    height: Math.max(240, Math.floor(names.length * row + TOP + BELOW + LINE_HEIGHT)),
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
    scale: `median ${valueOf(first.quantity)} of job ${second.id} over that of job ${first.id}, log scale`,
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
  controls: () => ['quantity'],
  text: (state, quantity) => `Median ${valueOf(quantity)} of every layer (input at the top) in every epoch. ` +
    (isGradient(quantity) ? 'A column that turns dark towards the top is a gradient that vanishes. ' : '') +
    'A row that changes is a layer that has not settled. Where a job has no such layer, or its ' +
    `${valueOf(quantity)} was zero or not a number, it stays blank.`,
  charts(ctx) {
    const names = layersOfAll(ctx.tracks).map((l) => l.name), [first, ...others] = ctx.tracks;
    return [...ctx.tracks.map((track) => chart(ctx, track, names, { key: `job-${track.id}`,
      what: 'median', value: (epoch, name) => epoch.layers.get(name)?.median,
      ...scaleOf(ctx.tracks), colours: RISING, title: ctx.nameOf(track),
      scale: `median over an epoch: ${axisOf(track.quantity)}, log scale`,
      label: `Heat map: median ${axisOf(track.quantity)}, job ${track.id}, layers by epochs` })),
    ...others.map((other) => ratioChart(ctx, first, other, names))];
  },
};
