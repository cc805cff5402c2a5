// An hour of live events, as fast as the browser takes them, leaves no more in
// memory than its first minutes did.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, submitAndWait, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const HOUR = 4 * 3600;          // events: a worker sends at most four a second
const ROUNDS = 12;
// A heap breathes: charts keep caches, and what is garbage is found in turns.
const MOST_GROWTH_BYTES = 2e6;
// Elements and texts of the page, whose number should not grow at all.
const MOST_MORE_NODES = 200;
// A loaded machine takes longer than the usual 30 s for a round's drawing.
const PATIENCE_MILLIS = 120000;
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

// Stands for the browser's own, so that the events come as fast as the page
// takes them, on one connection, whatever the job itself does meanwhile.
function fakeEventSource() {
  globalThis.EventSource = class extends EventTarget {
    static CLOSED = 2;
    readyState = 1;
    constructor() {
      super();
      globalThis.source = this;
    }
    close() {}
  };
  // A task for each event, as the browser has it: the page may draw between.
  const task = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); resolve(); };
    port2.postMessage(null);
  });
  globalThis.feed = async (event, from, count) => {
    for (let step = from; step < from + count; step++) {
      const data = JSON.stringify({ ...event, step });
      globalThis.source.dispatchEvent(new MessageEvent('live', { data }));
      await task();
    }
  };
}

test('memory stays flat over an hour of live events', async () => {
  const id = await submitAndWait(daemon, { ...TINY, record: { layers: 'notebook' },
    data: { synthetic: { images: 1600 } }, train: { epochs: 1000 } }, 'epoch');
  const live = { ...await daemon.waitFor(id, 'live'), epoch: 999, steps_per_epoch: HOUR };
  const { page, wrong } = await openPage(browser, daemon.url);
  page.setDefaultTimeout(PATIENCE_MILLIS);
  await page.addInitScript(fakeEventSource);
  await page.goto(`${daemon.url}/#/jobs/${id}`);
  await page.reload();
  await page.locator('.chart canvas').first().waitFor();
  await page.waitForFunction(() => globalThis.source);
  await daemon.cancel(id);

  const client = await page.context().newCDPSession(page), rounds = [], nodes = [];
  const heap = async () => {
    await client.send('HeapProfiler.collectGarbage');
    return (await client.send('Runtime.getHeapUsage')).usedSize;
  };
  for (let round = 0; round < ROUNDS; round++) {
    await page.evaluate(([event, from, count]) => globalThis.feed(event, from, count),
      [live, round * HOUR / ROUNDS, HOUR / ROUNDS]);
    rounds.push(await heap());
    nodes.push((await client.send('Memory.getDOMCounters')).nodes);
  }
  // It did take them: what the head says is of them, and so is the bar.
  await page.locator('.facts', { hasText: 'epoch 999, running' }).waitFor();
  const share = await page.locator('.job-head progress').evaluate((bar) => bar.value);
  assert.ok(Math.abs(share - (998 + (HOUR - 1) / HOUR) / 1000) < 1e-6, `bar at ${share}`);
  // The first rounds fill caches.
  const growth = (of) => of.at(-1) - of[Math.floor(ROUNDS / 3)];
  assert.ok(growth(rounds) < MOST_GROWTH_BYTES, `bytes: ${rounds.join(' ')}`);
  assert.ok(growth(nodes) < MOST_MORE_NODES, `nodes: ${nodes.join(' ')}`);
  assert.deepEqual(wrong, []);
  await page.close();
});
