// A daemon that dies and comes back: the page says so, heals by itself, and
// has no gap in its data.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, openTable, shoot, shownNorm, startBrowser, submitAndWait, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const HEAL = { timeout: 30000 };
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
  // Only what a daemon that is away makes of requests.
  assert.deepEqual(wrong.filter((line) => !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|ERR_SOCKET/.test(line)), []);
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
