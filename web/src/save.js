// What people take with them: pictures, tables, and the animation over epochs.
import { applyPalette, GIFEncoder, quantize } from 'gifenc';
import { paintCanvas, paintSvg } from './chart.js';
import { h } from './dom.js';
import { ink } from './palette.js';

const SCALE = 2;                            // pixels of a PNG for one shown
const LONGEST_MILLIS = 20000, FRAME_MILLIS = 700, SHORTEST_MILLIS = 40;

function save(name, blob) {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// RFC 4180: quotes only where needed, lines end with CR LF.
function csv({ heads, rows }) {
  const cell = (value) => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [heads, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

export const saveCsv = (name, data) =>
  save(`${name}.csv`, new Blob([csv(data)], { type: 'text/csv' }));

// chart: as views give them.
export const saveSvg = (name, chart, width) =>
  save(`${name}.svg`, new Blob([paintSvg(chart, width, ink().card)], { type: 'image/svg+xml' }));

export async function savePng(name, chart, width) {
  const canvas = paintCanvas(chart, width, SCALE, ink().card);
  save(`${name}.png`, await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); }));
}

// Charts beside each other, as they stand on the page.
function paintFrame(canvas, { charts, title }, width) {
  const colours = ink(), context = canvas.getContext('2d');
  const HEAD = 24;
  canvas.width = width * charts.length;
  canvas.height = HEAD + Math.max(...charts.map((c) => c.height));
  context.fillStyle = colours.card;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = colours.text;
  context.font = '14px sans-serif';
  charts.forEach((chart, i) => {
    context.fillText([chart.title, title].filter(Boolean).join(' · '), i * width + 8, 17);
    context.drawImage(paintCanvas(chart, width, 1, colours.card), i * width, HEAD);
  });
  return context;
}

const frameMillis = (n) =>
  Math.min(FRAME_MILLIS, Math.max(SHORTEST_MILLIS, Math.round(LONGEST_MILLIS / n)));
const breathe = () => new Promise((resolve) => { setTimeout(resolve, 0); });

// frames: [() => {charts, title}]; onProgress(share).
export async function saveGif(name, frames, width, onProgress) {
  const canvas = h('canvas'), gif = GIFEncoder();
  for (const [i, frame] of frames.entries()) {
    const context = paintFrame(canvas, frame(), width);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const palette = quantize(data, 64);
    gif.writeFrame(applyPalette(data, palette), canvas.width, canvas.height,
      { palette, delay: frameMillis(frames.length) });
    onProgress((i + 1) / frames.length);
    await breathe();
  }
  gif.finish();
  save(`${name}.gif`, new Blob([gif.bytes()], { type: 'image/gif' }));
}

// Recorded as it plays: a video has no other clock here.
export async function saveWebm(name, frames, width, onProgress) {
  const canvas = h('canvas'), parts = [];
  paintFrame(canvas, frames[0](), width);
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
  const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  for (const [i, frame] of frames.entries()) {
    paintFrame(canvas, frame(), width);
    onProgress((i + 1) / frames.length);
    await new Promise((resolve) => { setTimeout(resolve, frameMillis(frames.length)); });
  }
  recorder.stop();
  await stopped;
  stream.getTracks().forEach((track) => track.stop());
  save(`${name}.webm`, new Blob(parts, { type: 'video/webm' }));
}
