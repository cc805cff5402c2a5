// A chart on the page: ECharts with only the parts that are used.
import * as echarts from 'echarts/core';
import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TooltipComponent,
  VisualMapContinuousComponent } from 'echarts/components';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';
import { h } from './dom.js';

echarts.use([CustomChart, LineChart, GridComponent, LegendComponent,
  TooltipComponent, VisualMapContinuousComponent, CanvasRenderer, SVGRenderer]);

const WHOLE = { animation: false };

// label is what a screen reader says. draw(option, height) shows what
// option({width, height}) gives, again when the width changes; close() gives
// everything back.
export function makeChart(label) {
  const element = h('div', { class: 'chart', role: 'img', 'aria-label': label });
  let chart = null, make = null, width = 0, height = 0;

  function paint() {
    width = element.clientWidth;
    if (!width || !make) return;
    chart ??= echarts.init(element, null, { renderer: 'canvas' });
    if (chart.getWidth() !== width || chart.getHeight() !== height) chart.resize();
    chart.setOption({ ...WHOLE, ...make({ width, height }) }, { notMerge: true });
  }
  const observer = new ResizeObserver(() => {
    if (element.clientWidth !== width) paint();
  });
  observer.observe(element);

  return {
    element,
    draw(option, newHeight) {
      make = option;
      if (newHeight !== height) {
        height = newHeight;
        element.style.height = `${height}px`;
      }
      paint();
    },
    close() {
      observer.disconnect();
      chart?.dispose();
    },
  };
}

// The same picture as a canvas of its own, on a background; scale: pixels of
// the canvas for one of the chart.
export function paintCanvas(make, { width, height }, scale, background) {
  const host = h('div');
  const chart = echarts.init(host, null,
    { renderer: 'canvas', width, height, devicePixelRatio: scale });
  chart.setOption({ ...WHOLE, ...make({ width, height }) });
  const canvas = chart.renderToCanvas({ pixelRatio: scale, backgroundColor: background });
  chart.dispose();
  return canvas;
}

export function paintSvg(make, { width, height }, background) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({ ...WHOLE, backgroundColor: background, ...make({ width, height }) });
  const text = chart.renderToSVGString();
  chart.dispose();
  return text;
}
