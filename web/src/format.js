// Numbers as people read them.

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

// -7 -> "10⁻⁷"
export function powerOfTen(exponent) {
  const digits = [...String(Math.abs(exponent))].map((d) => SUPERSCRIPTS[d]);
  return `10${exponent < 0 ? '⁻' : ''}${digits.join('')}`;
}

// "10^18 times" -> "10¹⁸ times", as the daemon's sentences have it.
export const raised = (text) =>
  text.replace(/10\^(-?\d+)(?![\d.])/g, (_, exponent) => powerOfTen(Number(exponent)));

// 3.1e-7 -> "3.10e-7", 0.125 -> "0.125", null -> "–"
export function norm(x) {
  if (x === null || x === undefined) return '–';
  if (x === 0) return '0';
  const size = Math.abs(x);
  return size >= 0.01 && size < 1e4 ? String(Number(x.toPrecision(3)))
    : x.toExponential(2);
}

// Of an axis, which has no room for more: 1e+22, 1800, 0.25.
export const short = (x) => Math.abs(x) >= 1e6 ? Number(x.toPrecision(2)).toExponential()
  : String(Number(x.toPrecision(6)));

export function percent(x) {
  return x === null || x === undefined ? '–' : `${(100 * x).toFixed(1)}\u00a0%`;
}

export function rate(x) {
  return x === null || x === undefined ? '–'
    : `${x >= 100 ? Math.round(x) : x.toFixed(1)} images/s`;
}

// 3725 -> "1 h 2 min", 42 -> "42 s"
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const WAITS = { undrain: 'the queue, which is held', space: 'space on the disk' };

// What a queued job waits for, and when it is expected to start and to end; []
// where nothing is known.
export function waits({ state, waiting_for: what, expected }) {
  return state !== 'queued' ? [] : [
    what ? `waits for ${WAITS[what] ?? what}` : null,
    expected?.start_at ? `starts at about ${time(expected.start_at)}` : null,
    expected?.end_at ? `ends at about ${time(expected.end_at)}` : null].filter(Boolean);
}

// Only the hour and minute of today's.
export function time(text) {
  const at = new Date(text);
  return at.toDateString() === new Date().toDateString()
    ? at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : at.toLocaleString();
}
