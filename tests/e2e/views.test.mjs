// Every view of a pair, driven and held against the API.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { download, openPage, openTable, shoot, shownNorm, shownPowers, startBrowser,
  TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

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

async function onPage(address, act) {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#${address}`);
  await page.locator('.chart canvas').first().waitFor();
  await act(page);
  assert.deepEqual(wrong, []);
  await page.close();
}

// A CSV file as rows of numbers and text.
const parse = (bytes) => bytes.toString().trimEnd().split('\r\n').map((line) => line.split(','));
const close = (a, b) => Math.abs(a - b) <= 1e-12 * Math.abs(b);

// The bins that a histogram chart drew, against the route's answer.
async function holdBins(page, chart, parameters, epoch) {
  const file = await download(page, page.getByLabel(`download ${chart} as CSV`));
  const [heads, ...rows] = parse(file.bytes);
  assert.deepEqual(heads, ['job', 'epoch', 'layer', 'from', 'to', 'count', 'density']);
  const answer = await daemon.api(`/jobs/${rows[0][0]}/histograms?${parameters}`);
  const { layers } = answer.epochs.find((e) => e.epoch === epoch);
  assert.ok(rows.length > 6);
  for (const [, shown, layer, from, to, count, density] of rows) {
    const i = answer.bins.edges.findIndex((edge) => edge === Number(from));
    assert.equal(Number(shown), epoch);
    assert.equal(answer.bins.edges[i + 1], Number(to));
    assert.equal(layers[layer].counts[i], Number(count), `${layer} bin ${i}`);
    assert.ok(close(Number(density), layers[layer].density[i]), `${layer} bin ${i}`);
  }
  return new Set(rows.map((row) => row[2]));
}

test('histogram: density per decade is what the route answers', () =>
  onPage('/jobs/1?epoch=2', async (page) => {
    await holdBins(page, 'job-1', 'bins=decade8', 2);
  }));

test('histogram: the notebook’s linear density, its samples, and why it misleads', () =>
  onPage('/jobs/1', async (page) => {
    await page.getByLabel('Density').selectOption('linear');
    await page.getByText('It misleads').waitFor();
    await page.getByLabel('Steps').selectOption('samples');
    await page.waitForURL(/density=linear&source=samples/);
    await page.reload();
    await page.locator('.chart canvas').first().waitFor();
    assert.equal(await page.getByLabel('Density').inputValue(), 'linear');
    await openTable(page, 'job-1');
    await page.locator('[data-chart="job-1"] td:nth-child(5)', { hasText: /[0-9]/ }).first().waitFor();
    await holdBins(page, 'job-1', 'bins=notebook&source=samples&density=linear', 3);
    await shoot(page, 'histogram-linear');
  }));

test('histogram: any layers, kept in the address', () =>
  onPage('/jobs/1', async (page) => {
    await page.locator('.picker summary').click();
    assert.match(await page.locator('.picker summary').textContent(), /^Layers: 6 of 50$/);
    await page.getByLabel('layer1.0.conv2', { exact: true }).check();
    await page.waitForURL(/layers=.*layer1\.0\.conv2/);
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await page.waitForURL(/layers=all/);
    assert.equal((await openTable(page, 'job-1')).length, 50);
    await shoot(page, 'histogram-all');
  }));

test('histogram: two jobs on one axis, side by side and overlaid', () =>
  onPage('/jobs/1,2', async (page) => {
    assert.equal(await page.locator('.panel[data-chart]').count(), 2);
    await shoot(page, 'pair');
    await page.getByLabel('Jobs').selectOption('1');
    await page.locator('[data-chart="all"]').waitFor();
    const rows = await openTable(page, 'all');
    assert.deepEqual([...new Set(rows.map((r) => r.Job))], ['1', '2']);
    await shoot(page, 'overlaid');
  }));

test('ridgeline: epochs of a layer, layers of an epoch', () =>
  onPage('/jobs/2?view=ridge&layer=conv1', async (page) => {
    const { epochs } = await daemon.api('/jobs/2/gradients?layers=conv1');
    const rows = await openTable(page, 'job-2');
    assert.deepEqual(rows.map((r) => r.Median),
      epochs.map((e) => shownNorm(e.layers.conv1.median)));
    await shoot(page, 'ridge-epochs');
    await page.getByLabel('Ridges over').selectOption('layers');
    await page.waitForURL(/over=layers/);
    const main = (await daemon.api('/jobs/2/profile?epochs=3')).epochs[0].layers.filter((l) => l.main);
    await page.locator('[data-chart="job-2"] tbody tr').nth(main.length - 1).waitFor();
    const over = await openTable(page, 'job-2');
    assert.deepEqual(over.map((r) => [r.Layer, r.Median]), main.map((l) => [l.layer, shownNorm(l.median)]));
    await shoot(page, 'ridge-layers');
  }));

test('heat map: a cell for every layer and epoch, and the ratio of two jobs', () =>
  onPage('/jobs/1,2?view=heat', async (page) => {
    const [one, two] = [await daemon.api('/jobs/1/profile'), await daemon.api('/jobs/2/profile')];
    const rows = await openTable(page, 'job-1'), ratio = await openTable(page, 'ratio-2');
    for (const { epoch, layers } of one.epochs)
      for (const { layer, median } of layers) {
        assert.equal(rows.find((r) => r.Layer === layer)[`Epoch ${epoch}`], shownNorm(median));
        const other = two.epochs.find((e) => e.epoch === epoch).layers.find((l) => l.layer === layer);
        if (other) assert.equal(ratio.find((r) => r.Layer === layer)[`Epoch ${epoch}`],
          shownNorm(other.median / median));
      }
    await shoot(page, 'heat');
  }));

// In a page that holds nothing but the picture of a heat map: its cells, and
// labels that lie on others.
function readHeat() {
  const host = document.querySelector('svg'), { left, width, height } = host.getBoundingClientRect();
  const cells = [...host.querySelectorAll('path[fill^="rgb("]:not([transform])')].map((e) => e.getBBox())
    .map(({ x, y, width, height }) => ({ x, y, width, height }));
  const texts = [...host.querySelectorAll('text')].map((e) =>
    ({ text: e.textContent, box: e.getBoundingClientRect() }));
  // Letters fill less than the box of their line: AIR pixels of it, above and below.
  const AIR = 1, over = (a, b) => a.left < b.right && b.left < a.right
    && a.top + AIR < b.bottom - AIR && b.top + AIR < a.bottom - AIR;
  const overlapping = texts.flatMap((a, i) => texts.slice(i + 1).filter((b) => over(a.box, b.box))
    .map((b) => `${a.text} on ${b.text}`));
  const cut = texts.filter(({ box }) => box.left < left || box.right > left + width).map((t) => t.text);
  return { cells, overlapping, cut, height, labels: texts.length };
}

test('heat map: 54 layers and 300 epochs on one screen, each with pixels of its own', async () => {
  const id = await daemon.train({ ...TINY, model: { skip: true },
    data: { synthetic: { images: 16 } }, train: { epochs: 300 } });
  for (const [width, height, ids] of [[1280, 800, [id]], [1280, 800, [id, 1]], [1920, 1080, [id]]]) {
    const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/${ids}?view=heat`,
      { viewport: { width, height } });
    const chart = page.locator(`[data-chart="job-${id}"]`);
    await chart.locator('canvas').first().waitFor();
    const box = await chart.locator('.chart').boundingBox();
    assert.ok(box.y + box.height <= height, `${box.y} + ${box.height} at ${width} x ${height}`);
    assert.equal(await page.evaluate(() => scrollY), 0);
    await shoot(page, `heat-300-${width}-${ids.length}`);
    const svg = await download(page, page.getByLabel(`download job-${id} as SVG`));
    const picture = await browser.newPage();
    await picture.setContent(svg.bytes.toString());
    const { cells, ...seen } = await picture.evaluate(readHeat);
    await picture.close();
    assert.deepEqual(seen.overlapping, []);
    assert.deepEqual(seen.cut, []);
    assert.ok(seen.labels > 20 && Math.abs(seen.height - box.height) < 1);
    assert.equal(cells.length, 54 * 300);
    assert.ok(cells.every((c) => c.width >= 1 && c.height >= 1));
    assert.deepEqual([new Set(cells.map((c) => c.x)).size, new Set(cells.map((c) => c.y)).size], [300, 54]);
    assert.deepEqual(wrong, []);
    await page.close();
  }
});

test('depth profile: slope in words, first steps, theory', () =>
  onPage('/jobs/1,2?view=profile&epoch=1', async (page) => {
    const { epochs, theory, early_steps: early } = await daemon.api('/jobs/1/profile');
    const words = await page.locator('[data-chart="profile"] .words').textContent();
    assert.ok(words.includes(`multiplies the norm by ${shownNorm(epochs[0].slope.factor_per_layer)}`), words);
    const rows = (await openTable(page, 'profile')).filter((r) => r.Job === '1');
    assert.deepEqual(rows.map((r) => [r.Layer, r.Median, r['95 %']]),
      epochs[0].layers.map((l) => [l.layer, shownNorm(l.median), shownNorm(l.p95)]));
    const first = page.locator('[data-chart="early-1"]');
    assert.ok((await first.locator('.words').textContent())
      .includes(shownNorm(early[0].slope.factor_per_layer)));
    assert.equal(await first.getByText('Theory').count(), theory ? 1 : 0);
    assert.equal((await openTable(page, 'early-1')).length, early.length * early[0].layers.length);
    await shoot(page, 'profile');
  }));

test('training: loss, accuracy, rate and the cost of recording', () =>
  onPage('/jobs/1,2?view=training', async (page) => {
    const { epochs } = await daemon.api('/jobs/2/metrics');
    for (const [key, head] of [['loss', 'Loss'], ['accuracy', 'Accuracy'],
      ['images_per_second', 'Images a second']]) {
      const rows = (await openTable(page, key)).filter((r) => r.Job === '2');
      assert.deepEqual(rows.map((r) => r[head]), epochs.map((e) => shownNorm(e[key])));
    }
    assert.equal(await page.locator('[data-chart="recording_share"]').count(), 1);
    await shoot(page, 'training');
  }));

test('pictures: PNG, SVG, and the animation as GIF and WebM', () =>
  onPage('/jobs/1,2', async (page) => {
    const png = await download(page, page.getByLabel('download job-1 as PNG'));
    assert.equal(png.name, 'job-1-2-histogram-job-1.png');
    assert.equal(png.bytes.subarray(1, 4).toString(), 'PNG');
    const svg = await download(page, page.getByLabel('download job-1 as SVG'));
    assert.match(svg.bytes.toString(), /^<svg[\s\S]*layer3\.5\.conv3[\s\S]*<\/svg>\s*$/);
    const gif = await download(page, page.getByRole('button', { name: 'GIF' }));
    assert.equal(gif.bytes.subarray(0, 6).toString(), 'GIF89a');
    // A graphic control extension (21 F9 04) stands before each frame.
    assert.equal(gif.bytes.toString('latin1').split('\x21\xf9\x04').length - 1, 3);
    const webm = await download(page, page.getByRole('button', { name: 'WebM' }));
    assert.equal(webm.bytes.subarray(0, 4).toString('hex'), '1a45dfa3');
    assert.ok(webm.bytes.length > 2000);
  }));

test('tabs lead from view to view and keep the state', () =>
  onPage('/jobs/1,2?epoch=2', async (page) => {
    await page.getByRole('link', { name: 'Depth profile' }).click();
    await page.waitForURL(/view=profile/);
    await page.locator('#epoch-label', { hasText: '2 of 3' }).waitFor();
    await page.goBack();
    await page.locator('[data-chart="job-1"]').waitFor();
    assert.equal(await page.locator('[aria-current="page"]').textContent(), 'Histogram');
  }));

test('comparison: the factor of each layer with its interval', () =>
  onPage('/jobs/1,2?view=verdict', async (page) => {
    const { summary, layers } = await daemon.api('/compare?jobs=1,2');
    await page.locator('[data-chart="compare-1-2"] .words').getByText(shownPowers(summary)).waitFor();
    const rows = await openTable(page, 'compare-1-2');
    assert.deepEqual(rows.map((r) => [r.Layer, r.Factor, r.Interval]),
      Object.entries(layers).map(([name, l]) => [name, shownNorm(l.factor),
        l.interval ? l.interval.map((x) => shownNorm(10 ** x)).join(' – ') : '–']));
    const file = await download(page, page.getByLabel('download compare-1-2 as CSV'));
    const [heads, ...cells] = parse(file.bytes);
    assert.deepEqual(heads.slice(0, 4), ['layer', 'factor', 'low', 'high']);
    assert.deepEqual(cells.map((r) => [r[0], Number(r[1])]),
      Object.entries(layers).map(([name, l]) => [name, l.factor]));
    const svg = await download(page, page.getByLabel('download compare-1-2 as SVG'));
    for (const text of ['job 2 over job 1', 'layer3.5.conv3'])
      assert.ok(svg.bytes.toString().includes(text), text);
  }));

test('comparison: follows the epochs of a job that trains', async () => {
  const id = await daemon.submit({ ...TINY, name: 'late', train: { epochs: 400 } });
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/jobs/1,${id}?view=verdict`);
  const asked = [];
  page.on('request', (r) => { if (r.url().includes('/compare?')) asked.push(r.url()); });
  await page.locator(`[data-chart="compare-1-${id}"] canvas`).first().waitFor({ timeout: 60000 });
  // Only the first three are shared: as each of them ends.
  await page.locator('.facts', { hasText: /epoch [4-9]/ }).waitFor({ timeout: 60000 });
  await daemon.cancel(id);
  await page.locator(`[data-job="${id}"] .badge`, { hasText: 'cancelled' }).waitFor();
  const { summary } = await daemon.api(`/compare?jobs=1,${id}`);
  await page.locator('.words').getByText(shownPowers(summary)).waitFor();
  assert.ok(asked.length <= 3, `asked ${asked.length} times`);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('seeds of a group as bands, from the list of its jobs', async () => {
  const ids = [];
  for (const [skip, seed] of [[false, 1], [false, 2], [true, 1]])
    ids.push(await daemon.train({ ...TINY, name: `${skip} ${seed}`, group: 'depth', model: { skip },
      train: { epochs: 2, seed } }));
  const slopes = await Promise.all(ids.slice(0, 2).map(async (id) =>
    (await daemon.api(`/jobs/${id}/profile`)).epochs[1].slope.decades_per_layer));
  const { page, wrong } = await openPage(browser, daemon.url);
  await page.getByRole('link', { name: 'group depth' }).first().click();
  await page.waitForURL(/#\/\?group=depth/);
  await page.getByRole('link', { name: 'Compare all 3' }).click();
  await page.waitForURL(new RegExp(`#/jobs/${ids}\\?view=profile&seeds=bands`));
  const factor = 10 ** ((slopes[0] + slopes[1]) / 2);
  await page.locator('[data-chart="profile"] .words').getByText(new RegExp(
    `and 1 other seed: .* by ${shownNorm(factor)} \\(2 seeds: `)).waitFor();
  // Numbers stay those of each run.
  assert.deepEqual([...new Set((await openTable(page, 'profile')).map((r) => Number(r.Job)))], ids);
  const svg = await download(page, page.getByLabel('download profile as SVG'));
  for (const text of ['other seed', 'true 1']) assert.ok(svg.bytes.toString().includes(text), text);
  await shoot(page, 'seeds');
  await page.getByRole('link', { name: 'Training' }).click();
  await page.locator('[data-chart="loss"] canvas').waitFor();
  await shoot(page, 'seeds-training');
  const band = await download(page, page.getByLabel('download loss as SVG'));
  assert.match(band.bytes.toString(), /<polygon [^>]*fill="#0072b2" fill-opacity="0.18"/);
  await page.getByLabel('Seeds').selectOption('');
  await page.waitForURL((url) => !url.hash.includes('seeds='));
  assert.deepEqual(wrong, []);
  await page.close();
});

test('every quantity has its name in the control and on the axes', async () => {
  const quantities = ['grad_out', 'grad_w', 'weight', 'grad_rms', 'grad_sample', 'update', 'act',
    'weight_grad', 'branch_share'];
  const id = await daemon.train({ ...TINY, name: 'all', train: { epochs: 1 },
    record: { quantities } });
  await onPage(`/jobs/${id}?view=profile`, async (page) => {
    const box = page.getByLabel('Quantity');
    const choices = await box.locator('option').evaluateAll((all) =>
      all.map((o) => [o.value, o.textContent]));
    assert.deepEqual(choices.map(([key]) => key).sort(), quantities.flatMap((name) =>
      name === 'act' ? ['act_mean', 'act_std', 'act_zeros'] : [name]).sort());
    for (const [key, text] of choices) assert.notEqual(key, text);
    // The weights' norms are larger than 1, where the notebook's bins end.
    await page.goto(`${daemon.url}/#/jobs/${id}?quantity=weight&density=linear`);
    await page.getByText(/([0-9]+) of \1 values lie off this axis, so that nothing is drawn/).waitFor();
    // Another quantity is chosen while the records of the one before are on
    // their way: nobody is asked for the layers of the one in the other.
    const held = [];
    await page.route(/profile\?quantity=grad_out/, (route) => held.push(route));
    await page.goto(`${daemon.url}/#/jobs/${id}?view=profile`);
    await box.selectOption('act_std');
    await page.waitForURL(/quantity=act_std/);
    for (const route of held) await route.continue();
    const { epochs } = await daemon.api(`/jobs/${id}/profile?quantity=act_std`);
    const { layer, median } = epochs[0].layers[0];
    await openTable(page, 'profile');
    await page.locator('[data-chart="profile"] tr', { hasText: layer })
      .getByText(shownNorm(median)).first().waitFor();
    const svg = await download(page, page.getByLabel('download profile as SVG'));
    assert.ok(svg.bytes.toString().includes('standard deviation of the layer’s activation'));
  });
});
