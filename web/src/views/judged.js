// The verdict of every epoch as a strip, a row per job: when it changed.
import { SERIES } from '../palette.js';
import { labelRoom, legendOf } from './frame.js';

const ROW = 34, ABOVE = 52, BOTTOM = 46, MARGIN = 20, LETTER = 7, WORD = 130;
const HEADS = ['Job', 'Epoch', 'Verdict'];
const COLOURS = { healthy: SERIES[2], vanishing: SERIES[0], exploding: SERIES[5], stalled: SERIES[1],
  dead: SERIES[4], diverged: SERIES[3] };

// [{from, to, verdict}]: epochs one after the other with the same verdict.
function runsOf(epochs) {
  const all = [];
  for (const { epoch, verdict } of epochs) {
    const last = all.at(-1);
    if (last?.verdict === verdict && last.to === epoch - 1) last.to = epoch;
    else all.push({ from: epoch, to: epoch, verdict });
  }
  return all;
}

function placesOf({ names, words, last, ink }, size) {
  const left = labelRoom(names, size), { legend, height } = legendOf(words, size, ink, WORD);
  const top = height + 8;
  return { left, top, legend, row: (size.height - top - BOTTOM) / names.length, x: (epoch) =>
    left + (epoch - 1) / last * (size.width - left - MARGIN) };
}

function frame(strip, size) {
  const { left, top, legend } = placesOf(strip, size), { names, words, last, ink } = strip;
  return {
    grid: { left, right: MARGIN, top, bottom: BOTTOM, outerBoundsMode: 'none' },
    legend: { ...legend, icon: 'rect' },
    xAxis: { type: 'category', data: Array.from({ length: last }, (_, i) => String(i + 1)), name: 'epoch',
      nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: ink.quiet },
      axisLabel: { color: ink.quiet }, axisLine: { lineStyle: { color: ink.line } } },
    yAxis: { type: 'category', data: names, inverse: true, axisTick: { show: false },
      axisLabel: { color: ink.text }, axisLine: { lineStyle: { color: ink.line } } },
    series: words.map((name) => ({ type: 'line', name, data: [],
      itemStyle: { color: COLOURS[name] }, lineStyle: { color: COLOURS[name] } })),
  };
}

// The word stands in its stretch where there is room for it.
function shapes({ runs, ...strip }, size) {
  const { top, row, x } = placesOf(strip, size);
  return runs.flatMap((all, i) => all.flatMap(({ from, to, verdict }) => {
    const y = top + i * row + 4, left = x(from), width = x(to + 1) - left;
    return [{ type: 'rect', shape: { x: left, y, width: Math.max(1, width - 1), height: row - 8 },
      style: { fill: COLOURS[verdict] ?? strip.ink.line, opacity: 0.55 } },
    ...(width < LETTER * verdict.length + 8 ? [] : [{ type: 'text', style: { text: verdict,
      x: left + width / 2, y: y + row / 2 - 4, align: 'center', verticalAlign: 'middle', fontSize: 12,
      fill: strip.ink.text } }])];
  }));
}

export function judgedChart(ctx) {
  const tracks = ctx.tracks.filter((t) => t.verdict?.epochs.length);
  const epochs = tracks.map((t) => t.verdict.epochs), all = epochs.flat();
  const strip = { names: tracks.map((t) => `job ${t.id}`), words: [...new Set(all.map((e) => e.verdict))],
    last: Math.max(1, ...all.map((e) => e.epoch)), runs: epochs.map(runsOf), ink: ctx.ink };
  const rows = tracks.flatMap((t, i) => epochs[i].map((e) => [String(t.id), String(e.epoch), e.verdict]));
  return { key: 'epochs', title: 'Verdict by epoch', height: ABOVE + tracks.length * ROW + BOTTOM,
    label: `Verdict by epoch of job ${tracks.map((t) => t.id).join(' and ')}`,
    version: JSON.stringify([strip.names, strip.words, strip.last, ctx.ink.text]),
    option: (size) => frame(strip, size),
    shapes: (size) => shapes(strip, size),
    tip(size, x, y) {
      const { left, top, row } = placesOf(strip, size), track = tracks[Math.floor((y - top) / row)];
      const epoch = 1 + Math.floor((x - left) / (size.width - left - MARGIN) * strip.last);
      const one = track?.verdict.epochs.find((e) => e.epoch === epoch);
      return one ? `epoch ${epoch}: ${one.verdict}` : '';
    },
    table: () => ({ heads: HEADS, rows }), csv: () => ({ heads: HEADS, rows }) };
}
