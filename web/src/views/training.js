// Loss and accuracy against epochs, one line of each per job.
import { SERIES } from '../palette.js';

// runs: [{name, epochs: [{epoch, loss, accuracy}]}]
export function trainingOption({ runs, quantity, ink }) {
  return {
    grid: { left: 52, right: 16, top: 28, bottom: 40 },
    legend: { top: 0, textStyle: { color: ink.text }, data: runs.map((r) => r.name) },
    tooltip: { trigger: 'axis', renderMode: 'richText' },
    xAxis: { type: 'value', name: 'epoch', nameLocation: 'middle', nameGap: 26,
      min: 0, minInterval: 1, nameTextStyle: { color: ink.quiet },
      axisLabel: { color: ink.quiet }, splitLine: { show: false } },
    yAxis: { type: 'value', scale: quantity === 'loss',
      min: quantity === 'accuracy' ? 0 : null, max: quantity === 'accuracy' ? 1 : null,
      axisLabel: { color: ink.quiet },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
    series: runs.map((run, i) => ({
      type: 'line', name: run.name, symbolSize: 6,
      lineStyle: { color: SERIES[i % SERIES.length] },
      itemStyle: { color: SERIES[i % SERIES.length] },
      data: run.epochs.map((e) => [e.epoch, e[quantity]]),
    })),
  };
}
