// What people do while answers are on their way: the page shows what they asked
// for last, whichever answer comes last.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, openPage, startBrowser, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const LONG = { ...TINY, data: { synthetic: { images: 1600 } }, train: { epochs: 500 } };
const MANY = 8;             // more than a browser has connections
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
  await daemon.train({ ...TINY, name: 'trained' });
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

async function onPage(place, act) {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#${place}`);
  await act(page);
  assert.deepEqual(wrong, []);
  await page.close();
}

// Keeps requests that fit back: {first, release()}, first a promise of one.
async function hold(page, fits) {
  const held = [];
  let seen;
  const first = new Promise((resolve) => { seen = resolve; });
  await page.route((url) => url.pathname.startsWith('/api/'), (route) => {
    if (!fits(route.request())) return route.fallback();
    held.push(route);
    return seen();
  });
  return { first, release: async () => {
    await Promise.all(held.map((route) => route.continue()));
    await page.unrouteAll({ behavior: 'wait' });
  } };
}
// Until all that was asked has been answered, and drawn.
const settled = async (page, release) => {
  const answers = page.waitForLoadState('networkidle');
  await release();
  await answers;
  await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(resolve); }));
};

test('a page that is left before it is there does not come later', () =>
  onPage('/', async (page) => {
    await page.locator('tr[data-job="1"]').waitFor();
    const { first, release } = await hold(page, (r) => r.url().includes('/jobs/1/profile'));
    await page.getByRole('link', { name: 'trained' }).click();
    await first;
    await page.goto(`${daemon.url}/#/submit?preset=tiny`);
    await page.getByLabel('train.lr').waitFor();
    const answer = page.waitForResponse(/\/jobs\/1\/profile/);
    await release();
    await (await answer).finished();
    await page.getByLabel('model.skip').selectOption('true');
    await page.getByText('54 layers').waitFor();
  }));

test('of two presets the later one fills the form', () =>
  onPage('/submit?preset=tiny', async (page) => {
    await page.getByLabel('train.lr').waitFor();
    const { first, release } = await hold(page, (r) => r.postData()?.includes('notebook'));
    await page.getByLabel('Preset').selectOption('notebook');
    await first;
    await page.getByLabel('Preset').selectOption('demo');
    await page.waitForURL(/preset=demo/);
    const answer = page.waitForResponse((r) => r.request().postData()?.includes('notebook'));
    await release();
    await (await answer).finished();
    await page.getByLabel('model.skip').selectOption('true');
    await page.getByRole('status', { name: 'What it would be' }).getByText('parameters used').waitFor();
    assert.equal(await page.getByLabel('Preset').inputValue(), 'demo');
    assert.equal(await page.getByLabel('data.image_size').inputValue(), '32');
  }));

test('of two filters the later one is what the list shows', () =>
  onPage('/', async (page) => {
    await page.locator('tr[data-job="1"]').waitFor();
    const { first, release } = await hold(page, (r) => r.url().includes('state=failed'));
    await page.getByLabel('State').selectOption('failed');
    await first;
    await page.getByLabel('State').selectOption('done');
    const answer = page.waitForResponse(/state=failed/);
    await page.waitForResponse(/state=done/);
    await release();
    await (await answer).finished();
    await page.waitForURL(/state=done/);
    await page.locator('tr[data-job="1"]').waitFor();
    assert.equal(await page.getByText('No job fits').count(), 0);
  }));

test('what is submitted twice is one job', () =>
  onPage('/submit?preset=tiny', async (page) => {
    await page.getByLabel('train.epochs').fill('1');
    const { first, release } = await hold(page, (r) => r.method() === 'POST');
    const button = page.getByRole('button', { name: 'Submit', exact: true });
    await button.click();
    await first;
    await button.click();
    await settled(page, release);
    await page.waitForURL(/#\/jobs\/2$/);
    assert.equal((await daemon.api('/jobs')).jobs.length, 2);
    await daemon.waitFor(2);
  }));

test('a film has what was still on its way when it was asked for', () =>
  onPage('/', async (page) => {
    const { first, release } = await hold(page, (r) => r.url().includes('/histograms'));
    await page.goto(`${daemon.url}/#/jobs/1`);
    await first;
    const gif = page.getByRole('button', { name: 'GIF' }), early = download(page, gif);
    // Enough for a film that does not wait.
    await page.evaluate(async () => {
      for (let i = 0; i < 30; i++) await new Promise((resolve) => { requestAnimationFrame(resolve); });
    });
    await release();
    const { bytes } = await early;
    await page.getByText('saved').waitFor();
    assert.ok(bytes.equals((await download(page, gif)).bytes));
  }));

test('more jobs that go on than a browser has connections are followed', async () => {
  const ids = [];
  for (let i = 0; i < MANY; i++) ids.push(await daemon.submit({ ...LONG, name: `long ${i}` }));
  await onPage(`/jobs/${ids}?view=training`, async (page) => {
    const head = page.locator(`[data-job="${ids[0]}"]`);
    await head.getByText(/epoch [1-9]/).waitFor({ timeout: 60000 });
    const before = await head.locator('.facts').textContent();
    await page.waitForFunction(([id, was]) =>
      document.querySelector(`[data-job="${id}"] .facts`).textContent !== was, [ids[0], before]);
    // The next one begins, and the page asks for what it has.
    await daemon.cancel(ids[0]);
    await head.locator('.badge', { hasText: 'cancelled' }).waitFor({ timeout: 60000 });
    await page.locator(`[data-job="${ids[1]}"]`).getByText(/epoch [1-9]/).waitFor({ timeout: 60000 });
    for (const id of ids.slice(1).reverse()) await daemon.cancel(id);
    for (const id of ids.slice(1))
      await page.locator(`[data-job="${id}"] .badge`, { hasText: 'cancelled' }).waitFor({ timeout: 60000 });
  });
});
