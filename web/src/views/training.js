// Training: loss, accuracy, rate and the cost of recording against epochs, one
// line of each per job.
import { norm } from '../format.js';
import { SERIES } from '../palette.js';
import { legendOf } from './frame.js';

const QUANTITIES = [
  { key: 'loss', title: 'Loss', unit: 'cross-entropy, nats', scale: true },
  { key: 'accuracy', title: 'Accuracy', unit: 'share of images', min: 0, max: 1 },
  { key: 'images_per_second', title: 'Images a second', unit: 'images/s', min: 0 },
  { key: 'recording_share', title: 'Share of the time that recording takes',
    unit: 'share of the time', min: 0 },
];

// runs: [{name, epochs: [{epoch, loss, accuracy, validation}]}]
export function trainingOption({ runs, quantity, ink }, size) {
  const line = (run, i, name, value, type) => ({
    type: 'line', name, symbolSize: 6, symbol: ['circle', 'rect', 'triangle'][i % 3],
    lineStyle: { color: SERIES[i % SERIES.length], type },
    itemStyle: { color: SERIES[i % SERIES.length] },
    data: run.epochs.map((e) => [e.epoch, value(e)]) });
  const series = runs.flatMap((run, i) => [
    line(run, i, run.name, (e) => e[quantity.key], 'solid'),
    ...(run.epochs.some((e) => e.validation?.[quantity.key] !== undefined)
      ? [line(run, i, `${run.name}, validation`, (e) => e.validation?.[quantity.key], 'dashed')] : []),
  ]);
  const { legend, height } = legendOf(series.map((s) => s.name), size, ink);
  return {
    grid: { left: 76, right: 20, top: height + 12, bottom: 44, outerBoundsMode: 'none' }, legend,
    tooltip: { trigger: 'axis', renderMode: 'richText', valueFormatter: norm },
    xAxis: { type: 'value', name: 'epoch', nameLocation: 'middle', nameGap: 26,
      min: 0, minInterval: 1, nameTextStyle: { color: ink.quiet },
      axisLabel: { color: ink.quiet }, splitLine: { show: false } },
    yAxis: { type: 'value', name: quantity.unit, nameLocation: 'middle', nameGap: 52,
      nameTextStyle: { color: ink.quiet }, scale: quantity.scale ?? false, min: quantity.min ?? null,
      max: quantity.max ?? null, axisLabel: { color: ink.quiet },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
    series,
  };
}

function chart(ctx, quantity) {
  const runs = ctx.tracks.map((t) => ({ id: t.id, name: ctx.nameOf(t), epochs: t.training }));
  const rows = (text) => runs.flatMap((run) => run.epochs.map((e) =>
    [String(run.id), String(e.epoch), text(e[quantity.key])]));
  const heads = ['Job', 'Epoch', quantity.title];
  return { key: quantity.key, title: quantity.title, label: `${quantity.title} per epoch`, height: 270,
    option: (size) => trainingOption({ runs, quantity, ink: ctx.ink }, size),
    table: () => ({ heads, rows: rows(norm) }), csv: () => ({ heads, rows: rows((x) => x) }) };
}

export const training = {
  id: 'training', label: 'Training',
  controls: () => [],
  text: () => 'Loss and accuracy are means over the images of an epoch as they were trained on.',
  charts: (ctx) => QUANTITIES.map((quantity) => chart(ctx, quantity)),
};
