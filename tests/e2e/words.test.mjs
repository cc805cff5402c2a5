// What the page says fits what it shows: of activations it does not speak as of
// gradients, of a job that failed it says why.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { download, openPage, openTable, shoot, startBrowser, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const ACTIVATIONS = { act_mean: 'mean of the layer’s activation',
  act_std: 'standard deviation of the layer’s activation',
  act_zeros: 'share of the layer’s activation that is zero' };
const VIEWS = [['histogram', '', 'job-1'], ['histogram', '&density=linear', 'job-1'],
  ['histogram', '&together=1', 'all'], ['ridge', '', 'job-1'], ['ridge', '&over=layers', 'job-1'],
  ['heat', '', 'job-1'], ['heat', '', 'ratio-2'], ['profile', '', 'profile'], ['profile', '', 'early-1'],
  ['verdict', '', 'compare-1-2']];
let daemon, browser, data;

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'gradwatch-data-'));
  for (const name of ['cat', 'dog']) {
    await mkdir(join(data, name));
    await writeFile(join(data, name, 'one.png'), 'no picture at all');
  }
  daemon = await startDaemon(['--no-auth', '--data', `pets=${data}`]);
  for (const skip of [false, true])
    await daemon.train({ ...TINY, name: `job with skip ${skip}`, model: { skip },
      record: { quantities: ['act'] } });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await rm(data, { recursive: true });
  assert.equal(await daemon?.stop(), 0);
});

// All that people see or hear of a view; what the verdict says is about others.
const said = (page) => page.evaluate(() => {
  const others = `.job-head, [data-verdict]${location.hash.includes('view=verdict') ? ', .explain' : ''}`;
  const skipped = (e) => e.closest(others), all = [...document.querySelectorAll('#page *')];
  return all.filter((e) => !skipped(e)).flatMap((e) => [...e.attributes].filter((a) =>
    ['aria-label', 'title', 'alt'].includes(a.name)).map((a) => a.value)
    .concat([...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data))).join('\n');
});

test('of activations no view speaks as of gradients', async () => {
  const { page, wrong } = await openPage(browser, daemon.url);
  for (const [i, quantity] of Object.keys(ACTIVATIONS).entries())
    for (const [view, more, chart] of i === 0 ? VIEWS : VIEWS.filter(([name]) => /heat|profile/.test(name))) {
      const place = `${view}${more}, ${chart}, ${quantity}`;
      await page.goto(`${daemon.url}/#/jobs/1,2?view=${view}${more}&quantity=${quantity}`);
      await page.reload();
      await page.locator(`[data-chart="${chart}"] canvas`).first().waitFor();
      await openTable(page, chart);
      const text = await said(page);
      assert.ok(text.includes('Download'), place);
      assert.doesNotMatch(text, /gradient|norm(?!ali)/i, place);
      const svg = await download(page, page.getByLabel(`download ${chart} as SVG`));
      assert.equal(svg.name, `job-1-2-${view}-${quantity}-${chart}.svg`);
      const picture = svg.bytes.toString();
      assert.ok(picture.includes(ACTIVATIONS[quantity]) || chart === 'ratio-2', place);
      assert.doesNotMatch(picture.replaceAll(/font-weight="normal"|<linearGradient[\s\S]*?>|url\(#[^)]*\)/g, '')
        .replaceAll('</linearGradient>', ''), /gradient|norm/i, place);
    }
  assert.deepEqual(wrong, []);
  await page.close();
});

test('of gradients it says what vanishes', async () => {
  const id = await daemon.train({ ...TINY, train: { epochs: 1 } });
  const { page, wrong } = await openPage(browser, daemon.url);
  for (const [view, text] of [['histogram', 'less of the gradient arrives'],
    ['ridge&over=layers', 'a gradient that vanishes'], ['heat', 'a gradient that vanishes'],
    ['profile', 'one that rises explodes']]) {
    await page.goto(`${daemon.url}/#/jobs/${id}?view=${view}`);
    await page.locator('.explain').getByText(text).waitFor();
  }
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a job that failed says why, and leads to its log', async () => {
  const id = await daemon.train({ ...TINY, name: 'no pictures', data: { source: 'folder', root: 'pets' } });
  const { error } = await daemon.api(`/jobs/${id}`);
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.getByRole('link', { name: 'no pictures' }).click();
  await page.locator('.badge', { hasText: 'failed' }).waitFor();
  await page.getByRole('alert').getByText(error.message).waitFor();
  await page.getByText('Nothing was recorded before the end.').waitFor();
  await shoot(page, 'failed');
  await page.getByRole('link', { name: 'Its log' }).click();
  await page.waitForURL(`${daemon.url}/api/v1/jobs/${id}/log`);
  await page.getByText(error.message).waitFor();
  await page.goBack();
  await page.getByRole('alert').getByText(error.message).waitFor();
  // A browser looks for a picture of its own beside plain text.
  assert.deepEqual(wrong.filter((line) => !line.includes('favicon.ico')), []);
  await page.close();
});
