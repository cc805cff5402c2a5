// How many times as large each layer's values are in one job as in another, with
// its interval, in network order on a logarithmic axis.
import { norm, powerOfTen, raised } from '../format.js';
import { SERIES } from '../palette.js';
import { isNarrow, labelRoom, LINE_HEIGHT, nameOver, nameUnder } from './frame.js';
import { axisOf, valueOf } from './quantities.js';

const ROW = 14, TOP = 24, BOTTOM = 60, RIGHT = 24, DOT = 4;
const HEADS = ['Layer', 'Factor', 'Interval', 'log10', 'p', 'q'];
const CSV_HEADS = ['layer', 'factor', 'low', 'high', 'log10_ratio', 'p', 'q', 'differs'];

const shown = (layers) => Object.entries(layers)
  .filter(([, l]) => l.log10_ratio !== null)
  .map(([name, l]) => ({ ...l, name, interval: l.interval ?? [l.log10_ratio, l.log10_ratio] }));

const factor = (decades) => norm(10 ** decades);
const words = (interval) => interval ? interval.map(factor).join(' – ') : '–';

// Whole decades where there are some, else tenths around 1.
function rangeOf(points) {
  const low = Math.min(0, ...points.map((p) => p.interval[0]));
  const high = Math.max(0, ...points.map((p) => p.interval[1]));
  const unit = high - low > 1 ? 1 : 0.1;
  return { min: Math.floor(low / unit) * unit, max: Math.max(Math.ceil(high / unit), 1) * unit };
}

// Full where the layer differs, hollow where it may not.
function mark(point, color, api, card) {
  const [x, y] = api.coord([point.log10_ratio, point.name]);
  const [from, to] = point.interval.map((end) => api.coord([end, point.name])[0]);
  return { type: 'group', children: [
    { type: 'line', shape: { x1: from, y1: y, x2: to, y2: y }, style: { stroke: color, lineWidth: 2 } },
    { type: 'circle', shape: { cx: x, cy: y, r: DOT },
      style: { fill: point.differs ? color : card, stroke: color, lineWidth: 1.5 } }] };
}

// layers: as the compare route answers; title: what the axis says.
function factorOption({ layers, title, ink }, { width }) {
  const points = shown(layers), narrow = isNarrow({ width }), { min, max } = rangeOf(points);
  const names = points.map((p) => p.name), left = labelRoom(names, { width: 0 });
  return {
    grid: { left, right: RIGHT, top: TOP, bottom: BOTTOM },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ dataIndex }) =>
      `${names[dataIndex]}\n${norm(points[dataIndex]?.factor)} (${words(points[dataIndex]?.interval)})` },
    xAxis: { type: 'value', min, max, name: nameUnder(title, { left, right: RIGHT }, { width }),
      nameLocation: 'middle', nameGap: 28,
      nameTextStyle: { color: ink.quiet, lineHeight: LINE_HEIGHT }, splitNumber: narrow ? 3 : 8,
      axisLabel: { color: ink.quiet, hideOverlap: true,
        formatter: (v) => Number.isInteger(v) ? powerOfTen(v) : factor(v) },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
    yAxis: { type: 'category', data: names, inverse: true, ...nameOver('layer', ink),
      axisTick: { show: false },
      axisLabel: { color: ink.text, fontSize: 10, interval: 0 },
      axisLine: { onZero: false, lineStyle: { color: ink.line } } },
    series: [
      { type: 'line', name: 'as large', silent: true, showSymbol: false,
        lineStyle: { color: ink.quiet, type: 'dashed', width: 1 },
        data: names.length ? [[0, names[0]], [0, names.at(-1)]] : [] },
      { type: 'custom', name: 'factor', data: points.map((p) => [p.log10_ratio, p.name]),
        encode: { x: 0, y: 1 },
        renderItem: ({ dataIndex }, api) => mark(points[dataIndex], SERIES[0], api, ink.card) }],
  };
}

// comparison: what the compare route answered for two jobs.
export function factorChart(ctx, comparison) {
  const { jobs: [below, above], layers, summary, epochs, quantity } = comparison;
  const all = Object.entries(layers);
  return { key: `compare-${below}-${above}`, title: `Job ${above} over job ${below}`,
    label: `Factor of job ${above} over job ${below}, layer by layer`,
    height: shown(layers).length * ROW + TOP + BOTTOM,
    version: JSON.stringify([quantity, epochs, summary, ctx.ink.text]),
    words: [raised(summary), `How many times as large the ${valueOf(quantity)} is, by layer, with its 95 % ` +
      'interval; a hollow point may be chance. q is p after correction for looking at many layers at ' +
      'once (expected share of false finds).'],
    option: (size) => factorOption({ layers, ink: ctx.ink,
      title: `${axisOf(quantity)}, job ${above} over job ${below}` }, size),
    table: () => ({ heads: HEADS, rows: all.map(([name, l]) => [name, norm(l.factor),
      words(l.interval), norm(l.log10_ratio), norm(l.p), norm(l.q)]) }),
    csv: () => ({ heads: CSV_HEADS, rows: all.map(([name, l]) => [name, l.factor,
      ...(l.interval ?? [null, null]).map((x) => x === null ? null : 10 ** x), l.log10_ratio, l.p,
      l.q, l.differs]) }) };
}
