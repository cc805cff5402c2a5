// What the frames of charts share: a legend of jobs, room for labels.

const NARROW = 560, ITEM = 260, LINE = 22, ICON = 44, LETTER = 6.6;
export const LINE_HEIGHT = 15;          // of words in more than one line

export const isNarrow = ({ width }) => width < NARROW;

// As much of a text as there is room for, without its middle: jobs of a sweep
// are told apart by how their names end.
export function cut(text, width) {
  const most = Math.max(8, Math.floor(width / LETTER)), letters = [...text];
  if (letters.length <= most) return text;
  const head = Math.floor((most - 1) / 3);
  return `${letters.slice(0, head).join('')}…${letters.slice(head + 1 - most).join('')}`;
}

// In lines that have room in so many pixels, at 12 pixels a letter's height.
export function wrap(text, width) {
  const most = Math.max(8, Math.floor(width / LETTER)), lines = [''];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.filter(Boolean).join('\n');
}

// The name of a horizontal axis, which stands under its middle.
export const nameUnder = (text, { left, right }, { width }) =>
  wrap(text, width - Math.abs(left - right) - 8);

// The name of an axis of rows: above their labels, where no shape lies on it.
export const nameOver = (name, ink) => ({ name, nameLocation: 'start', nameGap: 8,
  nameTextStyle: { color: ink.quiet, align: 'right', padding: [0, 8, 0, 0] } });

// Of jobs (or of other names, that take `item` pixels), a line for as many as
// there is room for; long names are cut there and whole elsewhere.
// {legend, height}: ECharts' option, pixels that it takes.
export function legendOf(names, { width }, ink, item = ITEM) {
  const inLine = Math.max(1, Math.min(names.length, Math.floor(width / item)));
  const room = Math.floor(width / inLine) - ICON;
  return { height: Math.ceil(names.length / inLine) * LINE,
    legend: { top: 0, data: names, padding: [2, 8], formatter: (name) => cut(name, room),
      textStyle: { color: ink.text, fontSize: 12 } } };
}

// Pixels that a chart of as many jobs is higher than that of one: where it is
// narrow, each name in the legend takes a line.
export const moreHeight = (names) => (Math.max(1, names) - 1) * LINE;
// The same where one job alone has no legend.
export const legendRoom = (names) => names > 1 ? names * LINE : 0;

// Pixels left of an axis that has these labels.
export const labelRoom = (labels, size) => 14 +
  Math.ceil((isNarrow(size) ? 5.7 : 6.7) * Math.max(5, ...labels.map((text) => text.length)));
