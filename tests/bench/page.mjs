// How smoothly the page follows the epoch slider: 54 layers x 300 epochs, by
// the browser's own tracing. Figures, not a test.
//
//   GRADWATCH_BUILD=build node tests/bench/page.mjs
//
// The pointer moves 60 times a second, to another epoch each time, whether the
// page keeps up or not; a frame is one in which the page drew. "script" and
// "thread" are time on the processor, by the thread's own clock, so that other
// programs on the machine hardly change them: the page's own work for a frame,
// and all that its thread did for it (layout, paint, and handing the picture on,
// which a browser without a GPU does pixel by pixel). Sixty frames a second need
// less than 16.7 ms of the second.
import { openPage, startBrowser } from '../e2e/browser.mjs';
import { startDaemon } from '../e2e/daemon.mjs';

const EPOCHS = 300, MOVES = 290, MOVE_MILLIS = 1000 / 60, EDGE = 8;
const JOB = { preset: 'tiny', model: { skip: true }, data: { synthetic: { images: 32 } },
  train: { epochs: EPOCHS } };
const VIEWS = ['histogram&layers=all', 'histogram', 'ridge&over=layers', 'profile'];
const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline',
  'disabled-by-default-devtools.timeline.frame'];

const SCRIPT = ['FireAnimationFrame', 'EventDispatch', 'FunctionCall'];

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.floor(q * (values.length - 1))] ?? NaN;
const pause = (millis) => new Promise((resolve) => { setTimeout(resolve, millis); });

const firstPaint = (page) => page.evaluate(() =>
  performance.getEntriesByName('first-contentful-paint')[0]?.startTime);

// Drags from the last epoch to the first. Returns the trace's events.
async function drag(browser, page) {
  const box = await page.locator('#epoch').boundingBox(), y = box.y + box.height / 2;
  const right = box.x + box.width - EDGE, width = box.width - 2 * EDGE;
  const client = await page.context().newCDPSession(page);
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.mouse.move(right, y);
  await page.mouse.down();
  const start = performance.now();
  let last;
  for (let i = 0; i <= MOVES; i++) {
    last = client.send('Input.dispatchMouseEvent', { type: 'mouseMoved', button: 'left',
      buttons: 1, x: right - width * i / MOVES, y });
    await pause(start + (i + 1) * MOVE_MILLIS - performance.now());
  }
  await last;
  await page.mouse.up();
  return JSON.parse((await browser.stopTracing()).toString()).traceEvents;
}

// Frames of the page's main thread in which it drew: [{ts, script, thread}].
function framesOf(events) {
  const { pid, tid } = events.find((e) => e.name === 'FireAnimationFrame');
  const frames = [];
  let now = { drew: false }, end = 0;  // of the script that is counted: others are inside
  for (const e of events.filter((one) => one.pid === pid && one.tid === tid)
    .sort((a, b) => a.ts - b.ts)) {
    if (e.name === 'BeginMainThreadFrame') {
      now = { ts: e.ts, script: 0, thread: 0, drew: false };
      frames.push(now);
    } else if (e.name === 'RunTask') {
      now.thread += e.tdur ?? 0;
    } else if (SCRIPT.includes(e.name) && e.ts >= end) {
      now.script += e.tdur;
      end = e.ts + e.dur;
    }
    if (e.name === 'FireAnimationFrame') now.drew = true;
  }
  return frames.filter((frame) => frame.drew);
}

function report(view, frames) {
  const times = frames.map((f) => f.ts / 1000), gaps = times.slice(1).map((t, i) => t - times[i]);
  const seconds = (times.at(-1) - times[0]) / 1000;
  const two = (name, values) => `${name} median ${quantile(values, 0.5).toFixed(1)} ms, ` +
    `95 % ${quantile(values, 0.95).toFixed(1)} ms`;
  console.log(`${view}: ${frames.length} frames in ${seconds.toFixed(2)} s, ` +
    `${((frames.length - 1) / seconds).toFixed(1)} a second; ${[two('between frames', gaps),
      two('script', frames.map((f) => f.script / 1000)),
      two('thread', frames.map((f) => f.thread / 1000))].join('; ')}`);
}

const daemon = await startDaemon();
const browser = await startBrowser();
try {
  const id = await daemon.train(JOB);
  const job = await daemon.api(`/jobs/${id}`);
  console.log(`job: ${job.state}, ${job.progress.epochs} epochs`);
  for (const view of VIEWS) {
    const { page } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=${view}`);
    const quiet = page.waitForLoadState('networkidle');
    await page.locator('.chart canvas').first().waitFor();
    const paint = await firstPaint(page);
    await quiet;
    report(`${view} (first paint ${Math.round(paint)} ms)`, framesOf(await drag(browser, page)));
    await page.close();
  }
} finally {
  await browser.close();
  await daemon.stop();
}
