// For everyone: axe-core finds nothing on any view, in light and in dark; a
// phone's width needs no sideways scrolling; the bundle stays small.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { openPage, shoot, startBrowser, TINY } from './browser.mjs';
import { build, startDaemon } from './daemon.mjs';

const VIEWS = ['histogram', 'ridge', 'heat', 'profile', 'training', 'verdict'];
const PLACES = ['/', '/submit?preset=tiny', ...VIEWS.map((view) => `/jobs/1,2?view=${view}`)];
const MOST_BYTES = 700e3;       // gzipped; what the page may cost to load
const MOST_PAINT_MILLIS = 1000, PAINT_TRIES = 10;
let daemon, browser, axe;

before(async () => {
  daemon = await startDaemon();
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await daemon.train({ ...TINY, name: 'plain' });
  await daemon.train({ ...TINY, name: 'skip', model: { skip: true } });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

// Opens every list and table, so that nothing stays unseen.
async function visit(page, place) {
  await page.goto(`${daemon.url}/#${place}`);
  await page.reload();
  await page.locator('h1').first().waitFor();
  if (/histogram|ridge|heat|profile|training/.test(place))
    await page.locator('.chart canvas').first().waitFor();
  for (const summary of await page.locator('details:not([open]) > summary').all())
    if (await summary.isVisible()) await summary.click();
}

for (const colorScheme of ['light', 'dark'])
  test(`axe-core finds nothing, ${colorScheme}`, async () => {
    const { page, wrong } = await openPage(browser, daemon.url, { colorScheme });
    for (const place of PLACES) {
      await visit(page, place);
      const found = await page.evaluate(`${axe}; axe.run(document)`);
      assert.deepEqual(found.violations.map((v) => `${place}: ${v.id}: ${v.help}: ` +
        v.nodes.map((n) => n.html.slice(0, 90)).slice(0, 3).join(' | ')), []);
      if (colorScheme === 'dark') await shoot(page, `dark-${place.replace(/\W+/g, '-')}`);
    }
    assert.deepEqual(wrong, []);
    await page.close();
  });

test('a phone shows every view without sideways scrolling', async () => {
  const { page, wrong } = await openPage(browser, daemon.url, { viewport: { width: 390, height: 800 } });
  for (const place of PLACES) {
    await visit(page, place);
    const wide = await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await shoot(page, `phone-${place.replace(/\W+/g, '-')}`);
    assert.equal(wide, 0, place);
  }
  assert.deepEqual(wrong, []);
  await page.close();
});

// Of several, since a machine that is busy with other things delays some.
test('something is to be seen within a second', async () => {
  const seen = [];
  for (let i = 0; i < PAINT_TRIES && !seen.some((millis) => millis < MOST_PAINT_MILLIS); i++) {
    const { page } = await openPage(browser, `${daemon.url}/#/jobs/1,2`);
    await page.locator('.chart canvas').first().waitFor();
    seen.push(await page.evaluate(() =>
      performance.getEntriesByName('first-contentful-paint')[0].startTime));
    await page.close();
  }
  assert.ok(seen.at(-1) < MOST_PAINT_MILLIS, `first paint after ${seen.map(Math.round)} ms`);
});

test('the page is small to load', async () => {
  let bytes = 0;
  for (const name of ['app.js', 'style.css', 'index.html'])
    bytes += gzipSync(await readFile(join(build, 'web', name))).length;
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
});
