// The canvas above a chart, with what moves: the shapes that ECharts would draw
// too (and does, into files), without its bookkeeping; and the words about what
// the pointer is on.
import { h } from './dom.js';

const GAP = 14;             // pixels from the pointer to its words

const TRACES = {
  polygon(context, { points }) {
    TRACES.polyline(context, { points });
    context.closePath();
  },
  polyline(context, { points }) {
    points.forEach(([x, y], i) => i ? context.lineTo(x, y) : context.moveTo(x, y));
  },
  line(context, { x1, y1, x2, y2 }) {
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
  },
  rect(context, { x, y, width, height }) {
    context.rect(x, y, width, height);
  },
  circle(context, { cx, cy, r }) {
    context.arc(cx, cy, r, 0, 2 * Math.PI);
  },
};

function paintText(context, { text, x, y, fill, fontSize, align, verticalAlign }) {
  context.font = `${fontSize}px sans-serif`;
  context.textAlign = align ?? 'left';
  context.textBaseline = verticalAlign ?? 'top';
  context.fillStyle = fill;
  context.fillText(text, x, y);
}

function paintShape(context, { type, shape, style }) {
  if (type === 'text') return paintText(context, style);
  const { fill, stroke, opacity = 1, fillOpacity = 1, lineWidth = 1, lineDash = [] } = style;
  context.beginPath();
  TRACES[type](context, shape);
  if (fill && fill !== 'none') {
    context.globalAlpha = opacity * fillOpacity;
    context.fillStyle = fill;
    context.fill();
  }
  context.globalAlpha = opacity;
  if (stroke) {
    context.strokeStyle = stroke;
    context.lineWidth = lineWidth;
    context.setLineDash(lineDash);
    context.stroke();
  }
  context.globalAlpha = 1;
}

// tip(x, y): words, '' for none. Follows the pointer over the element.
function makeTip(element, tip) {
  const box = h('div', { class: 'tip', hidden: true });
  const show = ({ clientX, clientY }) => {
    const { left, top, width } = element.getBoundingClientRect();
    const x = clientX - left, y = clientY - top, words = tip(x, y);
    box.hidden = !words;
    if (!words) return;
    box.textContent = words;
    const over = x + GAP + box.offsetWidth > width;
    box.style.left = `${Math.max(0, over ? x - GAP - box.offsetWidth : x + GAP)}px`;
    box.style.top = `${y + GAP}px`;
  };
  element.append(box);
  element.addEventListener('pointermove', show);
  element.addEventListener('pointerleave', () => { box.hidden = true; });
}

export function makeLayer(element, tip) {
  const canvas = h('canvas', { class: 'layer' });
  const context = canvas.getContext('2d');
  element.append(canvas);
  makeTip(element, tip);
  return {
    paint(shapes, width, height) {
      const scale = devicePixelRatio, size = [Math.round(width * scale), Math.round(height * scale)];
      if (canvas.width !== size[0] || canvas.height !== size[1]) {
        [canvas.width, canvas.height] = size;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);
      for (const shape of shapes) paintShape(context, shape);
    },
  };
}
