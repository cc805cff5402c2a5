// The page against a real daemon and a real job: what it shows is what the API
// says, live, without errors and without a request to anyone else.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';
import { build, startDaemon } from './daemon.mjs';

const TINY = { preset: 'tiny', train: { epochs: 3 } };
const NOTEBOOK = ['conv1', 'layer1.0.conv1', 'layer2.0.conv2', 'layer3.5.conv3',
  'layer4.2.conv1', 'fc'];
const shots = join(build ?? '.', 'screenshots');
let daemon, browser;

before(async () => {
  await mkdir(shots, { recursive: true });
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

// As the page writes a norm.
async function shownNumbers(page, job) {
  return page.$$eval(`[data-job="${job}"] table.numbers tbody tr`, (rows) =>
    Object.fromEntries(rows.map((row) => [row.children[0].textContent, row.children[1].textContent])));
}

function norm(x) {
  const size = Math.abs(x);
  return size >= 0.01 && size < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(2);
}

test('an empty list says how to begin', async () => {
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.getByText('No jobs yet').waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a job appears, runs and ends in the list without reload', async () => {
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.getByText('No jobs yet').waitFor();
  const id = await daemon.submit({ ...TINY, name: 'live <b>row</b>' });
  await page.getByRole('link', { name: 'live <b>row</b>' }).waitFor();
  await page.locator('tr', { hasText: 'live <b>row</b>' }).getByText('done').waitFor({ timeout: 60000 });
  assert.equal((await daemon.api(`/jobs/${id}`)).state, 'done');
  await page.screenshot({ path: join(shots, 'jobs.png') });
  assert.deepEqual(wrong, []);
  await page.close();
});

test('histograms fill while the job trains, and end as the API has them', async () => {
  const id = await daemon.submit({ ...TINY, name: 'watched', model: { skip: true } });
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}`);
  await page.locator('.badge', { hasText: 'done' }).waitFor({ timeout: 60000 });

  const { epochs } = await daemon.api(`/jobs/${id}/gradients`);
  const shown = await shownNumbers(page, id);
  assert.deepEqual(Object.keys(shown), NOTEBOOK);
  for (const layer of NOTEBOOK)
    assert.equal(shown[layer], norm(epochs.at(-1).layers[layer].median), layer);
  assert.equal(await page.locator('.chart canvas').count(), 4);
  await page.screenshot({ path: join(shots, 'job.png'), fullPage: true });
  assert.deepEqual(wrong, []);
  await page.close();
});

test('the slider shows the epoch that it names, and play runs through all', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/2`);
  const { epochs } = await daemon.api('/jobs/2/gradients');
  await page.locator('#epoch-label', { hasText: '3 of 3' }).waitFor();
  await page.locator('#epoch').fill('1');
  await page.locator('#epoch-label', { hasText: '1 of 3' }).waitFor();
  assert.equal((await shownNumbers(page, 2)).conv1, norm(epochs[0].layers.conv1.median));
  // A frame may be gone before a busy machine looks, so the page keeps them.
  await page.evaluate(() => {
    const label = document.getElementById('epoch-label');
    globalThis.frames_seen = [];
    new MutationObserver(() => globalThis.frames_seen.push(label.textContent))
      .observe(label, { childList: true });
  });
  await page.locator('#play').click();
  await page.locator('#epoch-label', { hasText: '3 of 3' }).waitFor();
  const seen = await page.evaluate(() => [...new Set(globalThis.frames_seen)]);
  assert.deepEqual(seen, ['1 of 3', '2 of 3', '3 of 3']);
  assert.equal((await shownNumbers(page, 2)).conv1, norm(epochs[2].layers.conv1.median));
  assert.deepEqual(wrong, []);
  await page.close();
});

test('two jobs are compared side by side on one axis', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/1,2`);
  await page.locator('[data-job="2"] .badge', { hasText: 'done' }).waitFor();
  assert.equal(await page.locator('.panel[data-job]').count(), 2);
  await page.screenshot({ path: join(shots, 'pair.png'), fullPage: true });
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a job that does not exist is said to be missing', async () => {
  const { page } = await openPage(browser, `${daemon.url}/#/jobs/999`);
  await page.getByText('There is no such job').waitFor();
  await page.close();
});

test('a phone shows the page without sideways scrolling', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/2`,
    { viewport: { width: 390, height: 800 } });
  await page.locator('.badge', { hasText: 'done' }).waitFor();
  const wide = await page.evaluate(() =>
    document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(wide, false);
  assert.deepEqual(wrong, []);
  await page.close();
});
