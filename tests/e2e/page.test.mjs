// The page against a real daemon and a real job: what it shows is what the API
// says, live, without errors and without a request to anyone else.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, openTable, shoot, startBrowser, shownNorm, submitAndWait, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const NOTEBOOK = ['conv1', 'layer1.0.conv1', 'layer2.0.conv2', 'layer3.5.conv3',
  'layer4.2.conv1', 'fc'];
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

const medians = async (page, job) => Object.fromEntries((await openTable(page, `job-${job}`))
  .map((row) => [row.Layer, row.Median]));

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
  await shoot(page, 'jobs');
  assert.deepEqual(wrong, []);
  await page.close();
});

test('histograms fill while the job trains, and end as the API has them', async () => {
  const id = await daemon.submit({ ...TINY, name: 'watched', model: { skip: true } });
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}`);
  await page.locator('.badge', { hasText: 'done' }).waitFor({ timeout: 60000 });

  const { epochs } = await daemon.api(`/jobs/${id}/gradients`);
  const shown = await medians(page, id);
  assert.deepEqual(Object.keys(shown), NOTEBOOK);
  for (const layer of NOTEBOOK)
    assert.equal(shown[layer], shownNorm(epochs.at(-1).layers[layer].median), layer);
  await page.locator('.chart canvas').first().waitFor();
  await shoot(page, 'histogram');
  assert.deepEqual(wrong, []);
  await page.close();
});

test('the slider shows the epoch that it names, and play runs through all', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/2`);
  const { epochs } = await daemon.api('/jobs/2/gradients');
  await page.locator('#epoch-label', { hasText: '3 of 3' }).waitFor();
  await page.locator('#epoch').fill('1');
  await page.locator('#epoch-label', { hasText: '1 of 3' }).waitFor();
  assert.equal((await medians(page, 2)).conv1, shownNorm(epochs[0].layers.conv1.median));
  // A frame may be gone before a busy machine looks, so the page keeps them.
  await page.evaluate(() => {
    const label = document.getElementById('epoch-label');
    globalThis.frames_seen = [label.textContent];
    new MutationObserver(() => globalThis.frames_seen.push(label.textContent))
      .observe(label, { childList: true });
  });
  await page.locator('#play').click();
  await page.locator('#epoch-label', { hasText: '3 of 3' }).waitFor();
  const seen = await page.evaluate(() => [...new Set(globalThis.frames_seen)]);
  assert.deepEqual(seen, ['1 of 3', '2 of 3', '3 of 3']);
  assert.equal((await medians(page, 2)).conv1, shownNorm(epochs[2].layers.conv1.median));
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a running epoch is drawn as it fills', async () => {
  const id = await submitAndWait(daemon, { ...TINY, name: 'long',
    data: { synthetic: { images: 1600 } }, train: { epochs: 40 } }, 'epoch');
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}`);
  await page.locator('.facts', { hasText: 'running' }).waitFor();
  await page.locator('#epoch-label', { hasText: '(newest)' }).waitFor();
  await daemon.cancel(id);
  await page.locator('.badge', { hasText: 'cancelled' }).waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a page that is opened within the first epoch draws it', async () => {
  const id = await submitAndWait(daemon, { ...TINY, name: 'first',
    data: { synthetic: { images: 32000 } }, train: { epochs: 40 } }, 'live');
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}`);
  await page.locator('.facts', { hasText: 'epoch 1, running' }).waitFor();
  await page.locator('.chart canvas').first().waitFor();
  assert.notEqual((await medians(page, id)).conv1, '–');
  await daemon.cancel(id);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a job that does not exist is said to be missing', async () => {
  const { page } = await openPage(browser, `${daemon.url}/#/jobs/999`);
  await page.getByText('There is no such job').waitFor();
  await page.close();
});
