// A chart on the page: ECharts with only the parts that are used. It draws
// axes, legends and what rarely changes; what moves with the slider is painted
// on a canvas above, so that a frame costs its shapes and nothing else.
//
// A chart, as views give it:
//   option(size)     ECharts' option for {width, height}
//   height           in pixels
//   version          the option is the same as long as this is; may be left out
//   shapes(size)     what moves: graphic elements of ECharts' custom series
//   tip(size, x, y)  words about what is there, '' where nothing is
import * as echarts from 'echarts/core';
import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent, TooltipComponent,
  VisualMapContinuousComponent } from 'echarts/components';
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers';
import { h } from './dom.js';
import { makeLayer } from './layer.js';

echarts.use([CustomChart, LineChart, GridComponent, LegendComponent,
  TitleComponent, TooltipComponent, VisualMapContinuousComponent, CanvasRenderer, SVGRenderer]);

// A legend that hides lines would be out of the keyboard's reach.
function whole(chart, size, extra = {}) {
  const option = chart.option(size);
  const legend = option.legend && { ...option.legend, selectedMode: false };
  return { animation: false, ...extra, ...option, ...(legend ? { legend } : {}) };
}

// label is what a screen reader says. draw(chart) shows it, again when the
// width changes; close() gives everything back.
export function makeChart(label) {
  const element = h('div', { class: 'chart', role: 'img', 'aria-label': label });
  let chart = null, now = null, layer = null, width = 0, height = 0, frame;

  function paintFrame() {
    chart ??= echarts.init(element, null, { renderer: 'canvas' });
    if (chart.getWidth() !== width || chart.getHeight() !== height) chart.resize();
    chart.setOption(whole(now, { width, height }), { notMerge: true });
  }
  function paint() {
    if (!width || !now) return;
    const wanted = now.version && `${width} ${height} ${now.version}`;
    if (wanted === undefined || wanted !== frame) {
      frame = wanted;
      paintFrame();
    }
    if (!now.shapes) return;
    layer ??= makeLayer(element, (x, y) => now.tip({ width, height }, x, y));
    layer.paint(now.shapes({ width, height }), width, height);
  }
  const observer = new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    paint();
  });
  observer.observe(element);

  return {
    element,
    draw(next) {
      now = next;
      if (next.height !== height) {
        height = next.height;
        element.style.height = `${height}px`;
      }
      width ||= element.clientWidth;
      paint();
    },
    close() {
      observer.disconnect();
      chart?.dispose();
    },
  };
}

// For files: what moves becomes a series of its own.
function forFile(chart, size, background) {
  const option = whole(chart, size, { backgroundColor: background });
  if (!chart.shapes) return option;
  const moving = { type: 'custom', data: [[0, 0]], silent: true,
    renderItem: () => ({ type: 'group', children: chart.shapes(size) }) };
  return { ...option, series: [...option.series, moving] };
}

// The same picture as a canvas of its own, on a background; scale: pixels of
// the canvas for one of the chart.
export function paintCanvas(chart, width, scale, background) {
  const size = { width, height: chart.height };
  const painter = echarts.init(h('div'), null,
    { renderer: 'canvas', ...size, devicePixelRatio: scale });
  painter.setOption(forFile(chart, size, background));
  const canvas = painter.renderToCanvas({ pixelRatio: scale, backgroundColor: background });
  painter.dispose();
  return canvas;
}

export function paintSvg(chart, width, background) {
  const size = { width, height: chart.height };
  const painter = echarts.init(null, null, { renderer: 'svg', ssr: true, ...size });
  painter.setOption(forFile(chart, size, background));
  const text = painter.renderToSVGString();
  painter.dispose();
  return text;
}
