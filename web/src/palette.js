// Colours that colour-blind people can tell apart: Okabe and Ito's set,
// https://jfly.uni-koeln.de/color/.
export const SERIES = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9',
  '#d55e00'];

// Ink and lines of a chart, read from the style sheet so that charts follow
// the page between light and dark.
export function ink() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return { text: value('--text'), quiet: value('--quiet'), line: value('--line') };
}
