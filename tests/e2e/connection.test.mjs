// A daemon that dies and comes back: the page says so, heals by itself, and
// has no gap in its data.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, openTable, shoot, shownNorm, startBrowser, submitAndWait, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const HEAL = { timeout: 30000 };
// What the browser says of requests to a daemon that is away.
const unanswered = /ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|ERR_SOCKET/;
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

test('a lost connection is shown and heals without a gap', async () => {
  // Longer than any browser takes to open the page.
  const id = await submitAndWait(daemon, { ...TINY, name: 'interrupted',
    data: { synthetic: { images: 640 } }, train: { epochs: 5000 } }, 'epoch');
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=training`);
  await page.locator('.chart canvas').first().waitFor();
  assert.deepEqual(wrong, []);
  await daemon.kill();
  await page.getByText('Connection lost').waitFor(HEAL);
  await shoot(page, 'lost');
  await daemon.restart();
  await page.getByText('Connection lost').waitFor({ state: 'hidden', ...HEAL });
  await page.locator('[data-job] .badge').first().filter({ hasText: 'running' })
    .waitFor({ timeout: 120000 });
  const { length } = (await daemon.api(`/jobs/${id}/metrics`)).epochs;
  await openTable(page, 'loss');
  await page.locator('[data-chart="loss"] tbody tr').nth(length + 1).waitFor(HEAL);
  await daemon.cancel(id);
  await page.locator('[data-job] .badge').first().filter({ hasText: 'cancelled' }).waitFor(HEAL);
  const { epochs } = await daemon.api(`/jobs/${id}/metrics`);
  await page.locator('[data-chart="loss"] tbody tr').nth(epochs.length - 1).waitFor();
  const rows = await openTable(page, 'loss');
  assert.deepEqual(rows.map((r) => r.Epoch), epochs.map((e) => String(e.epoch)));
  assert.deepEqual(rows.map((r) => r.Loss), epochs.map((e) => shownNorm(e.loss)));
  assert.deepEqual(wrong.filter((line) => !unanswered.test(line)), []);
  await page.close();
});

// What nobody answers, as often as that: returns a promise of the last of it.
function failFirst(page, pattern, times = 1) {
  return new Promise((resolve) => {
    let left = times;
    page.route(pattern, (route) => {
      if (left === 0) return route.fallback();
      left--;
      if (left === 0) resolve();
      return route.abort('connectionreset');
    });
  });
}

test('a page that found nobody comes by itself when the daemon is back', async () => {
  const id = await daemon.train({ ...TINY, name: 'waits', train: { epochs: 1 } });
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.locator(`tr[data-job="${id}"]`).waitFor();
  await daemon.kill();
  await page.getByText('Connection lost').waitFor(HEAL);
  await page.getByRole('link', { name: 'waits' }).click();
  await page.getByRole('alert').getByText('The daemon does not answer').waitFor();
  await daemon.restart();
  await page.locator(`[data-chart="job-${id}"] canvas`).first().waitFor(HEAL);
  assert.equal(await page.getByText('does not answer').count(), 0);
  assert.deepEqual(wrong.filter((line) => !unanswered.test(line)), []);
  await page.close();
});

test('a page whose first answers were lost on their way comes by itself', async () => {
  const id = await daemon.train({ ...TINY, name: 'lost answers', train: { epochs: 1 } });
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.locator(`tr[data-job="${id}"]`).waitFor();
  const failed = failFirst(page, new RegExp(`/jobs/${id}/profile`));
  await page.goto(`${daemon.url}/#/jobs/${id}?view=profile`);
  await page.reload();
  await failed;
  await page.locator('[data-chart="profile"] canvas').first().waitFor(HEAL);
  assert.equal((await openTable(page, 'profile')).length, 50);
  assert.deepEqual(wrong.filter((line) => !unanswered.test(line)), []);
  await page.close();
});

test('a comparison and histograms that nobody answered once are asked for again', async () => {
  const ids = [];
  for (const skip of [false, true, false])
    ids.push(await daemon.train({ ...TINY, name: `${skip}`, model: { skip }, train: { epochs: 1 } }));
  const { page, wrong } = await openPage(browser, daemon.url);
  const compared = failFirst(page, new RegExp(`/compare\\?jobs=${ids[0]}%2C${ids[2]}`));
  await page.goto(`${daemon.url}/#/jobs/${ids}?view=verdict`);
  await compared;
  // The other one is not kept waiting.
  await page.locator(`[data-chart="compare-${ids[0]}-${ids[1]}"] canvas`).first().waitFor(HEAL);
  await page.locator(`[data-chart="compare-${ids[0]}-${ids[2]}"] canvas`).first().waitFor(HEAL);
  const drawn = failFirst(page, new RegExp(`/jobs/${ids[1]}/histograms`), 2);
  await page.getByRole('link', { name: 'Histogram' }).click();
  await drawn;
  const { epochs } = await daemon.api(`/jobs/${ids[1]}/gradients?layers=conv1`);
  await openTable(page, `job-${ids[1]}`);
  await page.locator(`[data-chart="job-${ids[1]}"] tr`, { hasText: 'conv1' }).first()
    .locator('td').nth(4).filter({ hasText: `${epochs[0].layers.conv1.count}` }).waitFor(HEAL);
  assert.deepEqual(wrong.filter((line) => !unanswered.test(line)), []);
  await page.close();
});

test('the list of jobs heals too', async () => {
  const { page } = await openPage(browser, daemon.url);
  await page.locator('tr[data-job="1"]').waitFor();
  await daemon.kill();
  await page.getByText('Connection lost').waitFor(HEAL);
  await daemon.restart();
  await page.getByText('Connection lost').waitFor({ state: 'hidden', ...HEAL });
  const id = await daemon.submit({ ...TINY, name: 'after the loss' });
  await page.locator(`tr[data-job="${id}"]`).waitFor();
  await page.close();
});
