// The page without a mouse: Tab comes to everything that can be used, in the
// order in which it stands, and shows where it is; keys do what clicks do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, startBrowser, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const VIEWS = ['histogram', 'ridge', 'heat', 'profile', 'training', 'verdict'];
const PLACES = ['/', '/submit?preset=tiny', ...VIEWS.map((view) => `/jobs/1,2?view=${view}`)];
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  await daemon.train({ ...TINY, name: 'plain' });
  await daemon.train({ ...TINY, name: 'skip', model: { skip: true } });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

async function onPage(place, act) {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#${place}`);
  await page.locator('h1').first().waitFor();
  if (/jobs/.test(place)) await page.locator('.chart canvas').first().waitFor();
  await act(page);
  assert.deepEqual(wrong, []);
  await page.close();
}

// In the page: everything that a mouse could use gets a number; what has the
// focus is told by it, and whether people can see that it has.
function numberControls() {
  const usable = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
  globalThis.controls = [...document.querySelectorAll(usable)].filter((e) =>
    !e.disabled && e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length);
  globalThis.controls.forEach((e, i) => { e.dataset.number = i; });
  return globalThis.controls.map((e) => e.outerHTML.slice(0, 90));
}
function focused() {
  const e = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(e);
  return { number: Number(e.dataset?.number ?? -1),
    seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
}

async function tabTo(page, locator) {
  for (let i = 0; i < 300; i++) {
    await page.keyboard.press('Tab');
    if (await locator.evaluate((e) => e === document.activeElement)) return;
  }
  assert.fail(`Tab does not come to ${locator}`);
}

test('Tab comes to every control of every view, in order and in sight', async () => {
  for (const place of PLACES)
    await onPage(place, async (page) => {
      for (const summary of await page.locator('details:not([open]) > summary').all())
        if (await summary.isVisible()) await summary.click();
      await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
      // From the beginning of the document, not from the last click.
      await page.evaluate(() => {
        document.body.tabIndex = -1;
        document.body.focus();
      });
      const controls = await page.evaluate(numberControls), visited = [];
      assert.ok(controls.length > 5, place);
      for (let i = 0; i < controls.length; i++) {
        await page.keyboard.press('Tab');
        const { number, seen } = await page.evaluate(focused);
        assert.ok(seen, `${place}: no sign of the focus on ${controls[number]}`);
        visited.push(number);
      }
      const missed = controls.filter((_, i) => !visited.includes(i));
      assert.deepEqual(missed, [], place);
      assert.deepEqual(visited, [...visited].sort((a, b) => a - b), `${place}: order`);
    });
});

test('epoch, play, layers and choices by keys', () =>
  onPage('/jobs/1,2', async (page) => {
    const label = page.locator('#epoch-label');
    await tabTo(page, page.locator('#epoch'));
    for (const [key, shown] of [['ArrowLeft', '2 of 3'], ['Home', '1 of 3'], ['ArrowRight', '2 of 3'],
      ['End', '3 of 3']]) {
      await page.keyboard.press(key);
      await label.filter({ hasText: shown }).waitFor();
    }
    await tabTo(page, page.locator('#play'));
    await page.keyboard.press('Space');
    await page.locator('#play', { hasText: 'Pause' }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('#play', { hasText: 'Play' }).waitFor();
    await tabTo(page, page.locator('#newest'));
    await page.keyboard.press('Enter');
    await label.filter({ hasText: 'newest' }).waitFor();

    await tabTo(page, page.locator('.picker summary'));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByLabel('layer1.0.conv2', { exact: true }));
    await page.keyboard.press('Space');
    await page.locator('.picker summary', { hasText: 'Layers: 7' }).waitFor();
    await tabTo(page, page.getByLabel('Density'));
    await page.keyboard.press('ArrowDown');
    await page.getByText('It misleads').waitFor();
    await tabTo(page, page.getByLabel('Jobs'));
    await page.keyboard.press('ArrowDown');
    await page.locator('[data-chart="all"]').waitFor();
  }));

test('data and files by keys', () =>
  onPage('/jobs/1', async (page) => {
    for (const name of ['download job-1 as PNG', 'download job-1 as SVG', 'download job-1 as CSV',
      'GIF', 'WebM']) {
      await tabTo(page, page.getByRole('button', { name, exact: true }));
      await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    }
    await tabTo(page, page.locator('[data-chart="job-1"] summary'));
    await page.keyboard.press('Enter');
    await page.locator('[data-chart="job-1"] td', { hasText: 'conv1' }).first().waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'region');
  }));

test('from view to view by keys, and from a number of the verdict to its view', () =>
  onPage('/jobs/1,2', async (page) => {
    await tabTo(page, page.getByRole('link', { name: 'Verdict' }));
    await page.keyboard.press('Enter');
    const number = page.locator('[data-verdict="1"] tbody a').first();
    await number.waitFor();
    await tabTo(page, number);
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/jobs\/1\?view=/);
  }));

test('a dialog keeps the focus, Escape closes it, and the focus comes back', () =>
  onPage('/', async (page) => {
    const remove = page.getByRole('button', { name: 'remove job 1', exact: true });
    await tabTo(page, remove);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'No, leave it' }).waitFor();
    for (let i = 0; i < 6; i++) {
      const outside = await page.evaluate(() => document.activeElement !== document.body
        && !document.querySelector('dialog').contains(document.activeElement));
      assert.equal(outside, false);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.ok(await remove.evaluate((e) => e === document.activeElement));
    assert.equal((await daemon.api('/jobs/1')).state, 'done');

    await page.keyboard.press('Enter');
    await dialog.waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('tr[data-job="1"]').waitFor({ state: 'detached' });
  }));
