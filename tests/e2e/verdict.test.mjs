// The verdict: in words, with its numbers, and each number leads to the view that
// shows it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { download, openPage, openTable, shoot, shownNorm, shownPowers, startBrowser,
  TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const PRESETS = new URL('../../config/jobs/', import.meta.url);
const CONTROLS = ['vanishing', 'healthy', 'diverged', 'exploding-start'];
const ids = {};
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  for (const name of CONTROLS) {
    const spec = await readFile(new URL(`control-${name}.json`, PRESETS), 'utf8');
    ids[name] = await daemon.train(JSON.parse(spec));
  }
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

const numbers = (page, id) => page.locator(`[data-verdict="${id}"] tbody td:nth-child(2) a`);
const words = (page, chart) => page.locator(`[data-chart="${chart}"] .words`);

// What a view must show of a number: by its rule, the view's tab, its chart, and
// how the number stands there.
const says = (text) => (page, chart, e) => words(page, chart).getByText(text(shownNorm(e.value), e)).waitFor();
const depth = { tab: 'Depth profile', chart: (id, e) => e.epochs[0] ? 'profile' : `early-${id}` };
const loss = { tab: 'Training', chart: () => 'loss' };
const RULES = {
  slope: { ...depth, hold: says((x) => `: ${x} decades a layer`) },
  ratio: { ...depth, hold: says((x) => `(${x} decades)`) },
  loss: { ...loss, hold: async (page, chart, e) => {
    const row = (await openTable(page, chart)).find((r) => r.Epoch === String(e.epochs[0]));
    assert.equal(row.Loss, shownNorm(e.value));
  } },
  loss_nonfinite: { ...loss, hold: says((x, e) => `are left out: ${x} in epoch ${e.epochs[0]}`) },
  loss_grew: { ...loss, hold: says((x) => `the loss is ${x} times that of the first step`) },
};

for (const name of CONTROLS)
  test(`${name}: every number is where its link leads`, async () => {
    const id = ids[name], { summary, evidence } = await daemon.api(`/jobs/${id}/verdict`);
    const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=verdict`);
    await page.locator(`[data-verdict="${id}"]`).getByText(shownPowers(summary)).waitFor();
    assert.ok(evidence.length > 0);
    assert.deepEqual(await numbers(page, id).allTextContents(), evidence.map((e) => shownNorm(e.value)));
    await shoot(page, `verdict-${name}`);
    for (const [i, e] of evidence.entries()) {
      const { tab, chart, hold } = RULES[e.rule], key = chart(id, e);
      await numbers(page, id).nth(i).click();
      await page.locator('[aria-current="page"]', { hasText: tab }).waitFor();
      await page.locator(`[data-chart="${key}"]:focus`).waitFor();
      if (tab === 'Depth profile' && e.epochs[0])
        await page.locator('#epoch-label', { hasText: new RegExp(`^${e.epochs[0]} of`) }).waitFor();
      await hold(page, key, e);
      await page.goBack();
      await numbers(page, id).nth(i).waitFor();
    }
    assert.deepEqual(wrong, []);
    await page.close();
  });

test('a number of another quantity leads to that quantity', async () => {
  const id = await daemon.train({ ...TINY, name: 'still', train: { epochs: 2, lr: 0 },
    record: { quantities: ['act', 'grad_out', 'weight'] } });
  const { evidence } = await daemon.api(`/jobs/${id}/verdict`);
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=verdict`);
  const follow = async (rule) => {
    await numbers(page, id).nth(evidence.findIndex((e) => e.rule === rule && e.epochs[0])).click();
    await page.locator('.chart canvas').first().waitFor();
    return page.getByLabel('Quantity').inputValue();
  };
  // Activations come first among the choices.
  assert.equal(await follow('slope'), 'grad_out');
  await page.goBack();
  assert.equal(await follow('still'), 'weight');
  const rows = await openTable(page, `job-${id}`);
  assert.ok(rows.length > 6);
  for (const row of rows) assert.equal(row['5 %'], row['95 %'], row.Layer);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('its evidence as CSV', async () => {
  const id = ids.vanishing, { verdict, evidence } = await daemon.api(`/jobs/${id}/verdict`);
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${id}?view=verdict`);
  const file = await download(page, page.getByLabel(`download verdict ${id} as CSV`));
  assert.equal(file.name, `job-${id}-verdict.csv`);
  const [heads, ...rows] = file.bytes.toString().trimEnd().split('\r\n').map((line) => line.split(','));
  assert.deepEqual(heads.slice(0, 4), ['job', 'verdict', 'rule', 'value']);
  assert.deepEqual(rows.map((r) => r.slice(0, 3)), evidence.map((e) => [String(id), verdict, e.rule]));
  assert.ok(rows.every((r, i) => Number(r[3]) === (evidence[i].value ?? 0)));
  assert.deepEqual(wrong, []);
  await page.close();
});
