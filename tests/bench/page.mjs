// How smoothly the page follows the epoch slider: 54 layers x 300 epochs, by
// the browser's own tracing. Figures, not a test.
//
//   GRADWATCH_BUILD=build node tests/bench/page.mjs
import { openPage, startBrowser } from '../e2e/browser.mjs';
import { startDaemon } from '../e2e/daemon.mjs';

const EPOCHS = 300, MOVES = 240, SAME_FRAME_MICROS = 3000;
const JOB = { preset: 'tiny', model: { skip: true }, data: { synthetic: { images: 32 } },
  train: { epochs: EPOCHS } };
const VIEWS = ['histogram&layers=all', 'histogram', 'ridge&over=layers', 'profile'];

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.floor(q * (values.length - 1))] ?? NaN;

async function firstPaint(page) {
  return page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
}

// Drags from the last epoch to the first. Returns the trace's events.
async function drag(browser, page) {
  const box = await page.locator('#epoch').boundingBox(), y = box.y + box.height / 2;
  await browser.startTracing(page, { categories: ['devtools.timeline',
    'disabled-by-default-devtools.timeline', 'disabled-by-default-devtools.timeline.frame'] });
  await page.mouse.move(box.x + box.width - 8, y);
  await page.mouse.down();
  for (let i = 0; i <= MOVES; i++)
    await page.mouse.move(box.x + box.width - 8 - (box.width - 16) * i / MOVES, y);
  await page.mouse.up();
  return JSON.parse((await browser.stopTracing()).toString()).traceEvents;
}

function report(view, events) {
  const frames = [];      // callbacks of one frame stand close to each other
  for (const e of events.filter((one) => one.name === 'FireAnimationFrame' && one.ph === 'X')
    .sort((a, b) => a.ts - b.ts)) {
    const last = frames.at(-1);
    if (last && e.ts - (last.ts + last.dur) < SAME_FRAME_MICROS) {
      last.dur += e.dur;
    } else {
      frames.push({ ts: e.ts, dur: e.dur });
    }
  }
  const times = frames.map((e) => e.ts / 1000), work = frames.map((e) => e.dur / 1000);
  const gaps = times.slice(1).map((t, i) => t - times[i]);
  const seconds = (times.at(-1) - times[0]) / 1000;
  console.log(`${view}: ${frames.length} frames in ${seconds.toFixed(2)} s, ` +
    `${(frames.length / seconds).toFixed(1)} a second; between frames median ` +
    `${quantile(gaps, 0.5).toFixed(1)} ms, 95 % ${quantile(gaps, 0.95).toFixed(1)} ms; script a frame ` +
    `median ${quantile(work, 0.5).toFixed(1)} ms, 95 % ${quantile(work, 0.95).toFixed(1)} ms`);
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
    report(`${view} (first paint ${Math.round(paint)} ms)`, await drag(browser, page));
    await page.close();
  }
  const { page } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=heat`);
  await page.locator('.chart canvas').first().waitFor();
  await page.screenshot({ path: process.env.HEAT_SHOT ?? '/dev/null', type: 'png' });
  const height = await page.locator('.chart').first().evaluate((e) => e.clientHeight);
  console.log(`heat map of ${job.progress.epochs} epochs: ${height} px high`);
} finally {
  await browser.close();
  await daemon.stop();
}
