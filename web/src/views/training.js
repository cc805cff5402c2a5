// Training: loss, accuracy, rate and the cost of recording against epochs, one
// line of each per job.
import { norm, short } from '../format.js';
import { SERIES } from '../palette.js';
import { legendOf, moreHeight } from './frame.js';
import { drawnSets, mean, setName } from './sets.js';

const MOST_MARKED = 60;     // epochs whose points have a mark each

const QUANTITIES = [
  { key: 'loss', title: 'Loss', unit: 'cross-entropy, nats', scale: true },
  { key: 'accuracy', title: 'Accuracy', unit: 'share of images', min: 0, max: 1 },
  { key: 'images_per_second', title: 'Images a second', unit: 'images/s', min: 0 },
  { key: 'recording_share', title: 'Share of the time that recording takes',
    unit: 'share of the time', min: 0 },
];

// Of runs that differ only in the seed: their mean by epoch, and {low, high}.
function merged(set, key) {
  if (set.length === 1) return set[0].training;
  const epochs = set[0].training.filter((e) => set.every((t) => t.training.some((o) => o.epoch === e.epoch)));
  return epochs.map(({ epoch }) => {
    const values = set.map((t) => t.training.find((e) => e.epoch === epoch)[key])
      .filter((v) => v !== null && v !== undefined);
    return { epoch, [key]: values.length ? mean(values) : null,
      low: Math.min(...values), high: Math.max(...values) };
  });
}

function band(epochs, name, color) {
  const around = [...epochs.map((e) => [e.epoch, e.high]), ...epochs.map((e) => [e.epoch, e.low]).reverse()];
  return { type: 'custom', name, silent: true, z: 1, data: around, tooltip: { show: false },
    itemStyle: { color }, renderItem: ({ dataIndex }, api) => dataIndex > 0 ? null
      : { type: 'polygon', shape: { points: around.map((p) => api.coord(p)) },
        style: { fill: color, opacity: 0.18 } } };
}

// runs: [{name, epochs: [{epoch, loss, accuracy, validation, low, high}]}]
function trainingOption({ runs, quantity, ink }, size) {
  const line = (run, i, name, value, type) => ({
    type: 'line', name, symbolSize: 6, showSymbol: run.epochs.length <= MOST_MARKED,
    symbol: ['circle', 'rect', 'triangle'][i % 3],
    lineStyle: { color: SERIES[i % SERIES.length], type },
    itemStyle: { color: SERIES[i % SERIES.length] },
    data: run.epochs.map((e) => [e.epoch, value(e)]) });
  const series = runs.flatMap((run, i) => [
    line(run, i, run.name, (e) => e[quantity.key], 'solid'),
    ...(run.epochs.some((e) => e.validation?.[quantity.key] !== undefined)
      ? [line(run, i, `${run.name}, validation`, (e) => e.validation?.[quantity.key], 'dashed')] : []),
    ...(run.epochs[0]?.low !== undefined ? [band(run.epochs, run.name, SERIES[i % SERIES.length])] : []),
  ]);
  const { legend, height } = legendOf([...new Set(series.map((s) => s.name))], size, ink);
  return {
    grid: { left: 84, right: 20, top: height + 12, bottom: 44, outerBoundsMode: 'none' }, legend,
    tooltip: { trigger: 'axis', renderMode: 'richText', valueFormatter: norm },
    xAxis: { type: 'value', name: 'epoch', nameLocation: 'middle', nameGap: 26,
      min: 0, minInterval: 1, nameTextStyle: { color: ink.quiet },
      axisLabel: { color: ink.quiet }, splitLine: { show: false } },
    yAxis: { type: 'value', name: quantity.unit, nameLocation: 'middle', nameGap: 60,
      nameTextStyle: { color: ink.quiet }, scale: quantity.scale ?? false, min: quantity.min ?? null,
      max: quantity.max ?? null, axisLabel: { color: ink.quiet, formatter: short },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
    series,
  };
}

// What a loss by itself does not say; {early, training} of a track.
function lossWords(track, whose) {
  const ended = track.training.filter((e) => e.complete), last = ended.at(-1) ?? track.training.at(-1);
  const first = track.early[0]?.loss, left = track.training.filter((e) => e.nonfinite_steps > 0);
  return [
    last?.loss > 0 && first > 0
      ? `${whose}In epoch ${last.epoch} the loss is ${norm(last.loss / first)} times that of the first step.`
      : null,
    left.length ? `${whose}Steps whose loss was not a number are left out: ${left.map((e) =>
      `${e.nonfinite_steps} in epoch ${e.epoch}`).join(', ')}.` : null];
}

function chart(ctx, quantity) {
  const runs = ctx.tracks.map((t) => ({ id: t.id, epochs: t.training }));
  const rows = (text) => runs.flatMap((run) => run.epochs.map((e) =>
    [String(run.id), String(e.epoch), text(e[quantity.key])]));
  const heads = ['Job', 'Epoch', quantity.title];
  const names = runs.length * (ctx.tracks.some((t) => t.training.some((e) => e.validation)) ? 2 : 1);
  return { key: quantity.key, title: quantity.title, label: `${quantity.title} per epoch`,
    height: 270 + moreHeight(names),
    words: quantity.key !== 'loss' ? [] : ctx.tracks.flatMap((t) =>
      lossWords(t, ctx.tracks.length > 1 ? `${ctx.nameOf(t)}: ` : '')),
    option: (size) => trainingOption({ quantity, ink: ctx.ink, runs: drawnSets(ctx).map((set) =>
      ({ name: setName(set, ctx.nameOf), epochs: merged(set, quantity.key) })) }, size),
    table: () => ({ heads, rows: rows(norm) }), csv: () => ({ heads, rows: rows((x) => x) }) };
}

export const training = {
  id: 'training', label: 'Training',
  controls: () => ['seeds'],
  text: (state) => 'Loss and accuracy are means over the images of an epoch as they were trained on.' +
    (state.seeds === 'bands'
      ? ' Jobs that differ only in the seed: their mean, and as a band all of them.' : ''),
  charts: (ctx) => QUANTITIES.map((quantity) => chart(ctx, quantity)),
};
