// A chart with what belongs to it: title, words, its numbers as a table, and
// files to take along.
import { makeChart } from '../chart.js';
import { h, replace, scroller, setText, table } from '../dom.js';
import { saveCsv, savePng, saveSvg } from '../save.js';

const TABLE_MILLIS = 150;

// fileName(): for downloads. draw(chart): as views give charts.
export function makeFigure(key, label, fileName) {
  const chart = makeChart(label);
  const title = h('h2'), words = h('div', { class: 'words' });
  const numbers = scroller(`Data of: ${label}`);
  const details = h('details', { ontoggle: () => drawNumbers() }, h('summary', {}, 'Data'), numbers);
  let now = null, drawn = '', said = '', last = -Infinity, timer = null;

  const name = () => `${fileName()}-${key}`;
  const button = (text, save) => h('button', { type: 'button', 'aria-label':
    `download ${key} as ${text}`, onclick: () => save(name()) }, text);
  const relabel = (text) => {
    label = text;
    chart.element.setAttribute('aria-label', text);
    numbers.setAttribute('aria-label', `Data of: ${text}`);
  };
  const width = () => chart.element.clientWidth || 800;

  // Only while it is open, and not at every move of a slider: tables of many
  // cells cost more than the chart.
  function drawNumbers() {
    if (!details.open || !now || timer) return;
    const wait = last + TABLE_MILLIS - performance.now();
    if (wait > 0) {
      timer = setTimeout(() => { timer = null; drawNumbers(); }, wait);
      return;
    }
    const data = now.table(), text = JSON.stringify(data);
    if (text === drawn) return;
    replace(numbers, table(data));
    drawn = text;
    last = performance.now();
  }
  return {
    key,
    element: h('section', { class: 'panel', 'data-chart': key }, title, chart.element, words,
      h('div', { class: 'row saves' }, h('span', { class: 'quiet' }, 'Download'),
        button('PNG', (n) => savePng(n, now, width())),
        button('SVG', (n) => saveSvg(n, now, width())),
        button('CSV', (n) => saveCsv(n, (now.csv ?? now.table)()))), details),
    draw(next) {
      now = next;
      title.hidden = !next.title;
      setText(title, next.title ?? '');
      if (next.label !== label) relabel(next.label);
      const lines = (next.words ?? []).filter(Boolean);
      if (lines.join('\n') !== said) replace(words, lines.map((line) => h('p', {}, line)));
      said = lines.join('\n');
      chart.draw(next);
      drawNumbers();
    },
    width,
    close() {
      clearTimeout(timer);
      chart.close();
    },
  };
}
