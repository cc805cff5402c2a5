// Every view times everything that each view has: its state in the address,
// live numbers without reload, a table, PNG, SVG and CSV, all as the API says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, openPage, openTable, shownNorm, startBrowser, submitAndWait, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const PATIENCE_MILLIS = 30000;
const RECORD = { quantities: ['grad_out', 'weight'] };
let daemon, browser, live;

// What a route says of the layers of epochs, as rows like those of the files.
const rowsOf = (epochs, row) => epochs.flatMap((e) => e.layers.map((l) => row(l, e)));
const profileOf = async (id, query = '') => (await daemon.api(`/jobs/${id}/profile?${query}`)).epochs;

// Bins that hold something, as the histograms route has them.
async function binsOf(id, query, epochs, layers) {
  const answer = await daemon.api(`/jobs/${id}/histograms?${query}`), { edges } = answer.bins;
  return answer.epochs.filter((e) => epochs.includes(e.epoch)).flatMap((e) => layers.flatMap((name) => {
    const { counts } = e.layers[name], from = counts.findIndex((c) => c > 0);
    return counts.slice(from, counts.findLastIndex((c) => c > 0) + 1).map((count, i) =>
      [id, e.epoch, name, edges[from + i], edges[from + i + 1], count]);
  }));
}

// address: what is not as it is by default; controls: how people turn it to
// that, by label; chart: one of its charts; svg, marks: a title that its
// picture has, and how often at least a colour of what it shows (the second
// job's, a scale's); cells(): the beginnings of its file's rows, from the API.
const VIEWS = [
  { view: 'histogram', address: 'density=linear&source=samples&together=1',
    controls: { Density: 'linear', Steps: 'samples', Jobs: '1' },
    chart: 'all', svg: 'L2 norm of the gradient at the layer’s output', marks: ['#e69f00', 6],
    cells: async () => (await Promise.all([1, 2].map((id) => binsOf(id,
      'bins=notebook&source=samples&density=linear', [3],
      ['conv1', 'layer1.0.conv1', 'layer2.0.conv2', 'layer3.5.conv3', 'layer4.2.conv1', 'fc'])))).flat() },
  { view: 'ridge', address: 'layer=fc&source=samples',
    controls: { Layer: 'fc', Steps: 'samples' }, chart: 'job-1', svg: 'epoch 2', marks: ['rgb(', 3],
    cells: () => binsOf(1, 'bins=decade8&source=samples', [1, 2, 3], ['fc']) },
  { view: 'heat', address: 'quantity=weight', controls: { Quantity: 'weight' }, chart: 'job-2',
    svg: 'median over an epoch: L2 norm of the layer’s weights, log scale', marks: ['rgb(', 54 * 3],
    cells: async () => {
      const epochs = await profileOf(2, 'quantity=weight');
      return epochs[0].layers.map(({ layer }) => [layer, ...epochs.map((e) =>
        e.layers.find((l) => l.layer === layer).median)]);
    } },
  { view: 'profile', address: 'together=1&quantity=weight', controls: { Jobs: '1', Quantity: 'weight' },
    chart: 'profile', svg: 'depth: convolutions from the input', marks: ['#e69f00', 49],
    cells: async () => (await Promise.all([1, 2].map(async (id) =>
      rowsOf((await profileOf(id, 'quantity=weight&epochs=last')), (l) =>
        [id, l.layer, l.depth, l.median, l.p05, l.p25, l.p75, l.p95])))).flat() },
  { view: 'profile', address: '', controls: {}, chart: 'early-1', svg: 'step 0', marks: ['rgb(', 2],
    cells: async () => (await daemon.api('/jobs/1/profile')).early_steps.flatMap((s) =>
      s.layers.map((l) => [1, s.step, l.layer, l.depth, l.value])) },
  { view: 'training', address: '', controls: {}, chart: 'loss',
    svg: 'cross-entropy, nats', marks: ['#e69f00', 1],
    cells: async () => (await Promise.all([1, 2].map(async (id) =>
      (await daemon.api(`/jobs/${id}/metrics`)).epochs.map((e) => [id, e.epoch, e.loss])))).flat() },
  { view: 'verdict', address: '', controls: {}, chart: 'epochs',
    svg: 'epoch', marks: ['fill-opacity="0.55"', 2],
    cells: async () => (await Promise.all([1, 2].map(async (id) =>
      (await daemon.api(`/jobs/${id}/verdict`)).epochs.map((e) => [id, e.epoch, e.verdict])))).flat() },
  { view: 'verdict', address: 'quantity=weight', controls: { Quantity: 'weight' },
    chart: 'compare-1-2', svg: 'L2 norm of the layer’s weights, job 2 over job 1', marks: ['#0072b2', 50],
    cells: async () => Object.entries((await daemon.api('/compare?jobs=1,2&quantity=weight')).layers)
      .map(([name, l]) => [name, l.factor]) },
];

before(async () => {
  daemon = await startDaemon();
  await daemon.train({ ...TINY, name: 'plain', record: RECORD });
  await daemon.train({ ...TINY, name: 'skip', model: { skip: true }, record: RECORD });
  browser = await startBrowser();
  live = await submitAndWait(daemon, { ...TINY, name: 'live', data: { synthetic: { images: 320 } },
    train: { epochs: 5000 } }, 'epoch');
});
after(async () => {
  await browser?.close();
  await daemon?.cancel(live);
  assert.equal(await daemon?.stop(), 0);
});

async function onPage(address, chart, act) {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#${address}`);
  await page.locator(`[data-chart="${chart}"] canvas`).first().waitFor();
  await act(page);
  assert.deepEqual(wrong, []);
  await page.close();
}

const control = (page, label) => page.locator('.controls label')
  .filter({ hasText: new RegExp(`^${label} `) }).locator('select');

// A cell of a file is the number of the API, to its last digit.
const same = (cell, value) => value === null ? cell === ''
  : typeof value === 'number' ? Number(cell) === value : cell === value;

// Numbers come in parts: tries again until they are all there.
async function until(hold) {
  for (const end = Date.now() + PATIENCE_MILLIS; ;) {
    try {
      return await hold();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

async function holdCsv(page, chart, wanted) {
  const { bytes } = await download(page, page.getByLabel(`download ${chart} as CSV`));
  const [, ...rows] = bytes.toString().trimEnd().split('\r\n').map((line) => line.split(','));
  assert.ok(wanted.length > 0);
  assert.equal(rows.length, wanted.length);
  rows.forEach((row, i) => wanted[i].forEach((value, k) =>
    assert.ok(same(row[k], value), `row ${i}: ${row} for ${wanted[i]}`)));
}

async function holdTable(page, chart, wanted) {
  const numbers = (await openTable(page, chart)).flatMap(Object.values);
  for (const value of wanted.flat())
    if (typeof value === 'number')
      assert.ok(numbers.includes(shownNorm(value)) || numbers.includes(String(value)), `${value}`);
}

async function holdPictures(page, chart, svg, [colour, least]) {
  const save = (type) => download(page, page.getByLabel(`download ${chart} as ${type}`));
  const png = (await save('PNG')).bytes;
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  const shown = await page.locator(`[data-chart="${chart}"] .chart`).boundingBox();
  assert.equal(png.readUInt32BE(16), 2 * Math.round(shown.width));
  assert.equal(png.readUInt32BE(20), 2 * Math.round(shown.height));
  const picture = (await save('SVG')).bytes.toString();
  assert.ok(picture.includes(svg), `no "${svg}"`);
  const marked = picture.split(colour).length - 1;
  assert.ok(marked >= least, `${marked} of ${colour}`);
}

for (const { view, address, controls, chart, svg, marks, cells } of VIEWS) {
  const name = `${view}, ${chart}`;

  test(`${name}: state in the address; table and files as the API has it`, () =>
    onPage(`/jobs/1,2?view=${view}`, view === 'histogram' ? 'job-1' : chart, async (page) => {
      for (const [label, value] of Object.entries(controls)) {
        await control(page, label).selectOption(value);
        await page.waitForURL((url) => url.hash.includes(`=${value}`));
      }
      for (const pair of address.split('&')) assert.ok(page.url().includes(pair), page.url());
      await page.reload();
      await page.locator(`[data-chart="${chart}"] canvas`).first().waitFor();
      for (const [label, value] of Object.entries(controls))
        assert.equal(await control(page, label).inputValue(), value, label);
      const wanted = await cells();
      await until(() => holdCsv(page, chart, wanted));
      if (!/histogram|ridge/.test(view)) await holdTable(page, chart, wanted);
      await holdPictures(page, chart, svg, marks);
    }));

  if (/early|compare/.test(chart)) continue;
  test(`${name}: new epochs come in without reload`, () => {
    const key = chart === 'all' || /^job-/.test(chart) ? `job-${live}` : chart;
    return onPage(`/jobs/${live}?view=${view}`, key, async (page) => {
      await page.evaluate(() => { globalThis.same_document = true; });
      const text = () => openTable(page, key).then(JSON.stringify), before = await text();
      await page.waitForFunction(([one, was]) => {
        const cells = [...document.querySelectorAll(`[data-chart="${one}"] td`)];
        return cells.map((c) => c.textContent).join() !== was;
      }, [key, JSON.parse(before).flatMap(Object.values).join()]);
      assert.equal(await page.evaluate(() => globalThis.same_document), true);
    });
  });
}
