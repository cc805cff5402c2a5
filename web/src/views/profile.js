// Depth profile: the median norm of every layer against its depth, one line
// per job. A line that falls towards the left is a gradient that vanishes on
// its way to the input, one that rises there explodes.
import { norm, powerOfTen } from '../format.js';
import { SERIES } from '../palette.js';

// profiles: [{name, layers: [{layer, depth, main, median, p05, p95}]}]
export function profileOption({ profiles, ink }) {
  return {
    grid: { left: 64, right: 16, top: 32, bottom: 44 },
    legend: { top: 0, textStyle: { color: ink.text }, data: profiles.map((p) => p.name) },
    tooltip: { trigger: 'item', renderMode: 'richText', formatter: ({ data }) =>
      `${data.layer}\nmedian ${norm(data.median)}` },
    xAxis: { type: 'value', min: 0, name: 'depth: convolutions from the input',
      nameLocation: 'middle', nameGap: 28, nameTextStyle: { color: ink.quiet },
      axisLabel: { color: ink.quiet }, splitLine: { show: false } },
    yAxis: { type: 'value', scale: true, minInterval: 1,
      axisLabel: { color: ink.quiet, formatter: (v) => Number.isInteger(v) ? powerOfTen(v) : '' },
      splitLine: { lineStyle: { color: ink.line, opacity: 0.5 } } },
    series: profiles.map((profile, i) => ({
      type: 'line', name: profile.name, symbolSize: 5, showSymbol: true,
      symbol: ['circle', 'rect', 'triangle'][i % 3],
      lineStyle: { color: SERIES[i % SERIES.length], width: 2 },
      itemStyle: { color: SERIES[i % SERIES.length] },
      data: profile.layers.filter((l) => l.main && l.median > 0).map((l) => ({
        value: [l.depth, Math.log10(l.median)], layer: l.layer, median: l.median,
      })),
    })),
  };
}
