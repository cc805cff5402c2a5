// A chart on the page: ECharts with only the parts that are used.
import * as echarts from 'echarts/core';
import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent,
  TooltipComponent } from 'echarts/components';
import { CanvasRenderer } from 'echarts/renderers';
import { h } from './dom.js';

echarts.use([LineChart, ScatterChart, GridComponent, LegendComponent,
  MarkLineComponent, TitleComponent, TooltipComponent, CanvasRenderer]);

// label is what a screen reader says. draw(option) shows a view's option;
// close() gives everything back.
export function makeChart(label, height) {
  const element = h('div', { class: 'chart', role: 'img', 'aria-label': label });
  element.style.height = `${height}px`;
  let chart = null;
  const observer = new ResizeObserver(() => chart?.resize());
  observer.observe(element);

  return {
    element,
    draw(option) {
      chart ??= echarts.init(element);
      chart.setOption({ animation: false, ...option }, { notMerge: true });
    },
    close() {
      observer.disconnect();
      chart?.dispose();
    },
  };
}
