// Colours that colour-blind people can tell apart: Okabe and Ito's set,
// https://jfly.uni-koeln.de/color/.
export const SERIES = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9',
  '#d55e00'];

// From low to high, of steadily growing lightness, so that it reads in grey
// too; and from below to above a middle.
export const RISING = ['#2b1055', '#414487', '#2a788e', '#22a884', '#7ad151', '#fde725'];
export const AROUND = ['#b35806', '#f1a340', '#f7f7f7', '#67a9cf', '#2166ac'];

const channel = (colour, from) => parseInt(colour.slice(from, from + 2), 16);
const STEPS = 256;
const tables = new Map();

// The colour at 0..1 of a scale, from a table: charts ask thousands of times.
export function mixed(colours, share) {
  if (!tables.has(colours)) tables.set(colours, Array.from({ length: STEPS }, (_, i) =>
    between(colours, i / (STEPS - 1))));
  return tables.get(colours)[Math.round(Math.min(Math.max(share, 0), 1) * (STEPS - 1))];
}

function between(colours, share) {
  const at = share * (colours.length - 1), i = Math.min(Math.floor(at), colours.length - 2);
  const mix = (from) => Math.round(channel(colours[i], from)
    + (at - i) * (channel(colours[i + 1], from) - channel(colours[i], from)));
  return `rgb(${mix(1)}, ${mix(3)}, ${mix(5)})`;
}

const dark = matchMedia('(prefers-color-scheme: dark)');
let inks = null;
dark.addEventListener('change', () => { inks = null; });

// Ink and lines of a chart, read from the style sheet so that charts follow
// the page between light and dark.
export function ink() {
  return inks ??= readInk();
}

function readInk() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  // Lines in colours that stand out from the card.
  const [low, high] = dark.matches ? [0.3, 1] : [0, 0.82];
  return { text: value('--text'), quiet: value('--quiet'), line: value('--line'),
    card: value('--card'), rising: (share) => mixed(RISING, low + share * (high - low)) };
}
