// What the frames of charts share: a legend of jobs, room for labels.

const NARROW = 560, ITEM = 260, LINE = 22, ICON = 44;

export const isNarrow = ({ width }) => width < NARROW;

// Of jobs (or of other names, that take `item` pixels), a line for as many as
// there is room for; long names are cut there and whole elsewhere.
// {legend, height}: ECharts' option, pixels that it takes.
export function legendOf(names, { width }, ink, item = ITEM) {
  const inLine = Math.max(1, Math.min(names.length, Math.floor(width / item)));
  return { height: Math.ceil(names.length / inLine) * LINE,
    legend: { top: 0, data: names, padding: [2, 8], textStyle: { color: ink.text, fontSize: 12,
      width: Math.floor(width / inLine) - ICON, overflow: 'truncate' } } };
}

// Pixels left of an axis that has these labels.
export const labelRoom = (labels, size) => 14 +
  Math.ceil((isNarrow(size) ? 5.7 : 6.7) * Math.max(5, ...labels.map((text) => text.length)));
