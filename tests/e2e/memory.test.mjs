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
// An hour of events in seconds keeps the page's thread busy, and it answers
// nobody meanwhile: on a loaded machine for longer than the usual 30 s.
const PATIENCE_MILLIS = 180000;
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

test('memory stays flat over an hour of live events', async () => {
  // So many images that epoch 1, which the events are about, outlasts the test.
  const id = await submitAndWait(daemon, { ...TINY, record: { layers: 'notebook' },
    data: { synthetic: { images: 1000000 } }, train: { epochs: 1000 } }, 'started');
  const live = await daemon.waitFor(id, 'live');
  const { page, wrong } = await openPage(browser, daemon.url);
  page.setDefaultTimeout(PATIENCE_MILLIS);
  const client = await page.context().newCDPSession(page);
  const heap = async () => {
    await client.send('HeapProfiler.collectGarbage');
    return (await client.send('Runtime.getHeapUsage')).usedSize;
  };
  let round = 0;
  const rounds = [];
  const finished = new Promise((resolve) => {
    page.route(/\/events/, async (route) => {
      rounds.push(await heap());
      if (round++ === ROUNDS) return resolve(route.abort());
      const line = (step) => `event: live\ndata: ${JSON.stringify({ ...live, epoch: 1, step })}\n\n`;
      const body = Array.from({ length: HOUR / ROUNDS }, (_, i) => line(i)).join('');
      await route.fulfill({ contentType: 'text/event-stream', body: `retry: 1\n\n${body}` });
    });
  });
  await page.goto(`${daemon.url}/#/jobs/${id}`);
  await page.reload();
  await finished;
  // It did take them: what the head says is of the last one.
  await page.locator('.facts', { hasText: 'epoch 1, running' }).waitFor();
  await daemon.cancel(id);
  // The first rounds fill caches.
  const growth = rounds.at(-1) - rounds[Math.floor(ROUNDS / 3)];
  assert.ok(growth < MOST_GROWTH_BYTES, `grew by ${growth} bytes: ${rounds.join(' ')}`);
  assert.deepEqual(wrong.filter((line) => !line.includes('ERR_FAILED')), []);
  // A request that is still on its way must not meet a page that is gone.
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.close();
});
