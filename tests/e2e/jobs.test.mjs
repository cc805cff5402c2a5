// The list of jobs and the form for new ones, used as people use them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, shoot, startBrowser, TINY } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const LONG = { ...TINY, data: { synthetic: { images: 1600 } }, train: { epochs: 500 } };
let daemon, browser;

before(async () => {
  daemon = await startDaemon();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

// By its whole name: dialogs are named much like the button that opens them.
const button = (page, name) => page.getByRole('button', { name, exact: true });
const row = (page, id) => page.locator(`tr[data-job="${id}"]`);

test('the form tells what a job would be, and refuses with the daemon’s words', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  const plan = page.getByRole('status', { name: 'What it would be' });
  const wanted = await fetch(`${daemon.url}/api/v1/jobs?dry_run=true`, { method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ preset: 'tiny', model: { skip: true } }) }).then((r) => r.json());
  await page.getByLabel('model.skip').selectOption('true');
  await plan.getByText(`${wanted.parameters.used.toLocaleString('en')} parameters used`).waitFor();
  await plan.getByText(`${wanted.layers.length} layers`).waitFor();
  await shoot(page, 'submit');
  assert.deepEqual(wrong, []);

  await page.getByLabel('train.batch').fill('1');
  await page.locator('#field-train-batch-error', { hasText: '2 to 4096' }).waitFor();
  assert.equal(await page.getByLabel('train.batch').getAttribute('aria-invalid'), 'true');
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  assert.equal((await daemon.api('/jobs')).jobs.length, 0);
  await page.close();
});

test('the form has the fields, words and limits of the daemon’s own description', async () => {
  const { components } = await daemon.api('/openapi.json');
  const { model, train } = components.schemas.JobSpec.properties;
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  await page.getByText('All fields').click();
  const arch = page.getByLabel('model.arch');
  assert.deepEqual(await arch.locator('option').allTextContents(), model.properties.arch.enum);
  const { description, minimum, maximum } = train.properties.batch;
  assert.equal(await page.locator('#field-train-batch-hint').textContent(),
    `${description}; ${minimum} to ${maximum}`);
  for (const name of Object.keys(train.properties))
    assert.equal(await page.getByLabel(`train.${name}`, { exact: true }).count(), 1, name);
  await shoot(page, 'submit-all');
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a preset fills the form and stays in the address', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  await page.locator('.submit .grid').first().waitFor();
  assert.equal(await page.getByLabel('train.lr').inputValue(), '0.01');
  await page.getByLabel('Preset').selectOption('notebook');
  await page.waitForURL(/preset=notebook/);
  assert.equal(await page.getByLabel('train.lr').inputValue(), '0.1');
  assert.equal(await page.getByLabel('train.epochs').inputValue(), '10');
  assert.deepEqual(wrong, []);
  await page.close();
});

test('one button submits the pair and shows it', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  await page.getByLabel('train.epochs').fill('2');
  await page.getByRole('button', { name: /pair/ }).click();
  await page.waitForURL(/#\/jobs\/1,2/);
  await page.locator('[data-job="2"] .badge', { hasText: 'done' }).waitFor({ timeout: 60000 });
  const { jobs } = await daemon.api('/jobs');
  assert.deepEqual(jobs.map((j) => j.spec.model.skip).sort(), [false, true]);
  assert.deepEqual([...new Set(jobs.map((j) => `${j.spec.train.seed} ${j.spec.train.epochs}`))], ['0 2']);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('cancel and remove ask first', async () => {
  const id = await daemon.submit({ ...LONG, name: 'to cancel' });
  const { page, wrong } = await openPage(browser, daemon.url);
  await row(page, id).getByText('running').waitFor();
  await row(page, id).locator('progress').waitFor();
  await row(page, id).getByText('images/s').waitFor();
  await button(page, `cancel job ${id}`).click();
  await page.getByRole('button', { name: 'No, leave it' }).click();
  assert.equal((await daemon.api(`/jobs/${id}`)).state, 'running');
  await button(page, `cancel job ${id}`).click();
  await shoot(page, 'cancel');
  await page.getByRole('button', { name: 'Yes, cancel it' }).click();
  await row(page, id).getByText('cancelled').waitFor();

  await button(page, `remove job ${id}`).click();
  await page.keyboard.press('Escape');
  assert.equal((await daemon.api(`/jobs/${id}`)).state, 'cancelled');
  await button(page, `remove job ${id}`).click();
  await page.getByRole('button', { name: 'Yes, remove it' }).click();
  await row(page, id).waitFor({ state: 'detached' });
  assert.deepEqual(wrong, []);
  await page.close();
});

test('pause and resume, in the list and above the views', async () => {
  const id = await daemon.submit({ ...LONG, name: 'steered' });
  const { page, wrong } = await openPage(browser, daemon.url);
  await row(page, id).getByText('running').waitFor();
  await page.getByLabel(`pause job ${id}`).click();
  await row(page, id).getByText('paused').waitFor({ timeout: 60000 });
  await page.getByRole('link', { name: 'steered' }).click();
  await page.getByLabel(`resume job ${id}`).click();
  await page.locator('.badge', { hasText: 'running' }).waitFor({ timeout: 60000 });
  await daemon.cancel(id);
  await page.locator('.badge', { hasText: 'cancelled' }).waitFor();
  await button(page, `remove job ${id}`).click();
  await page.getByRole('button', { name: 'Yes, remove it' }).click();
  await page.getByRole('heading', { name: 'Jobs' }).waitFor();
  await row(page, id).waitFor({ state: 'detached' });
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a clone begins as the job was, and sends only what was changed', async () => {
  const id = await daemon.train({ ...TINY, name: 'first of its kind',
    train: { epochs: 1, seed: 5 } });
  const { page, wrong } = await openPage(browser, daemon.url);
  const sent = [];
  page.on('request', (r) => {
    if (r.url().endsWith(`/jobs/${id}/clone`)) sent.push(r.postDataJSON());
  });
  await page.getByLabel(`clone job ${id}`).click();
  await page.waitForURL(new RegExp(`#/submit\\?from=${id}$`));
  await page.reload();
  await page.getByRole('heading', { name: `Clone of first of its kind (${id})` }).waitFor();
  assert.equal(await page.getByLabel('train.seed').inputValue(), '5');
  await page.getByLabel('train.lr').fill('0.5');
  await page.getByLabel('name').fill('second of its kind');
  await page.getByRole('status', { name: 'What it would be' }).getByText('parameters used').waitFor();
  await shoot(page, 'clone');
  await page.getByRole('button', { name: 'Submit', exact: true }).click();
  await page.waitForURL(new RegExp(`#/jobs/${id + 1}$`));
  assert.deepEqual(sent, [{ name: 'second of its kind', train: { lr: 0.5 } }]);
  const { spec } = await daemon.api(`/jobs/${id}`), { spec: twin } = await daemon.api(`/jobs/${id + 1}`);
  assert.deepEqual(twin, { ...spec, name: 'second of its kind', train: { ...spec.train, lr: 0.5 } });
  await daemon.waitFor(id + 1);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('jobs that wait get another place and priority', async () => {
  const ids = [];
  for (const name of ['ahead', 'one', 'two']) ids.push(await daemon.submit({ ...LONG, name }));
  const [ahead, one, two] = ids;
  const { page, wrong } = await openPage(browser, daemon.url);
  await row(page, ahead).getByText('running').waitFor();
  const edited = page.waitForResponse((r) => r.request().method() === 'PATCH');
  await page.getByLabel(`priority of job ${two}`).fill('7');
  await page.keyboard.press('Enter');
  await edited;
  assert.equal((await daemon.api(`/jobs/${two}`)).spec.priority, 7);
  await row(page, one).getByText('waits for').waitFor();
  await shoot(page, 'queue');
  const front = page.waitForResponse((r) => r.url().endsWith(`/jobs/${one}/move`));
  await button(page, `move job ${one} to the front`).click();
  assert.equal((await front).request().postDataJSON().first, true);
  assert.ok((await daemon.api(`/jobs/${one}`)).spec.priority >= 7);
  const moved = page.waitForResponse((r) => r.url().endsWith(`/jobs/${two}/move`));
  await button(page, `move job ${two} to the end`).click();
  assert.equal((await moved).status(), 202);
  // At the end, it has the priority of the one before it.
  const { spec } = await daemon.api(`/jobs/${one}`);
  await page.waitForFunction(([label, priority]) =>
    Number(document.querySelector(`[aria-label="${label}"]`).value) <= priority,
  [`priority of job ${two}`, spec.priority]);
  await page.getByRole('link', { name: 'one', exact: true }).click();
  await page.getByText('Nothing is recorded yet').waitFor();
  assert.equal(await page.locator('.chart').count(), 0);
  await page.getByRole('link', { name: 'gradwatch' }).click();
  for (const id of [two, one, ahead]) await daemon.cancel(id);
  await row(page, ahead).getByText('cancelled').waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test('the queue is held after a second look, and goes on', async () => {
  const { page, wrong } = await openPage(browser, daemon.url);
  await button(page, 'Hold the queue').click();
  await button(page, 'No, leave it').click();
  assert.equal((await daemon.api('/queue')).draining, false);
  await button(page, 'Hold the queue').click();
  await button(page, 'Yes, hold it').click();
  await page.getByText('The queue is held').waitFor();
  assert.equal((await daemon.api('/queue')).draining, true);
  const id = await daemon.submit({ ...LONG, name: 'held up' });
  await row(page, id).getByText('waits for the queue').waitFor();
  await button(page, 'Start jobs again').click();
  await row(page, id).getByText('running').waitFor();
  await daemon.cancel(id);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a button stays the same while its job goes on', async () => {
  const id = await daemon.submit({ ...LONG, name: 'busy' });
  const { page, wrong } = await openPage(browser, daemon.url);
  await row(page, id).locator('progress').waitFor();
  const button = await page.getByLabel(`cancel job ${id}`).elementHandle();
  const before = await row(page, id).locator('td').nth(4).innerHTML();
  await page.waitForFunction(([selector, was]) => document.querySelector(selector).innerHTML !== was,
    [`tr[data-job="${id}"] td:nth-child(5)`, before]);
  assert.equal(await button.evaluate((e) => e.isConnected), true);
  await daemon.cancel(id);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('search and state filter, kept in the address', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/?q=2`);
  await row(page, 2).waitFor();
  assert.equal(await page.locator('tr[data-job]').count(), 1);
  await page.getByLabel('Search').fill('');
  await row(page, 1).waitFor();
  await page.getByLabel('State').selectOption('failed');
  await page.getByText('No job fits').waitFor();
  await page.waitForURL(/state=failed/);
  await page.getByLabel('State').selectOption('done');
  await row(page, 1).waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test('jobs are picked and compared by keyboard alone', async () => {
  const { page, wrong } = await openPage(browser, daemon.url);
  await row(page, 1).waitFor();
  for (const id of [2, 1]) {
    await page.getByLabel(`compare job ${id}`, { exact: true }).focus();
    await page.keyboard.press('Space');
  }
  await page.getByRole('link', { name: 'Compare 2 jobs' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/#\/jobs\/1,2/);
  await page.locator('#epoch').focus();
  await page.keyboard.press('ArrowLeft');
  await page.locator('#epoch-label', { hasText: '1 of 2' }).waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a sweep is submitted, listed as a group and cancelled after a second look', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  await page.getByText('A sweep:').click();
  await page.getByLabel('Values').fill('model.skip=true,false seed=0..1');
  const plan = page.getByRole('status', { name: 'What it would be' });
  await plan.getByText('4 jobs in the group sweep-').waitFor();
  await page.getByText('All fields').click();
  await page.getByLabel('group', { exact: true }).fill('depth');
  await page.getByLabel('train.epochs').fill('500');
  await plan.getByText('4 jobs in the group depth').waitFor();
  await shoot(page, 'sweep');
  await page.getByRole('button', { name: 'Submit 4 jobs' }).click();
  await page.waitForURL(/#\/\?group=depth$/);

  const { sets } = await daemon.api('/groups/depth'), ids = sets.flatMap((set) => set.jobs);
  const { spec } = await daemon.api(`/jobs/${ids[3]}`);
  assert.deepEqual([spec.model.skip, spec.train.seed, spec.train.epochs], [false, 1, 500]);
  const part = page.getByRole('region', { name: 'Jobs of group depth' });
  for (const { label, seeds } of sets)
    await part.locator('tr', { hasText: label }).getByText(seeds.join(', ')).waitFor();
  await row(page, ids[0]).getByText('running').waitFor();
  assert.equal(await page.locator('tr[data-job]').count(), 4);
  await shoot(page, 'group');

  const cancel = page.getByRole('button', { name: 'Cancel the 4 that did not end' });
  await cancel.click();
  await button(page, 'No, leave it').click();
  assert.deepEqual((await daemon.api('/groups/depth')).states, { running: 1, queued: 3 });
  await cancel.click();
  await button(page, 'Yes, cancel them').click();
  await page.getByText('4 cancelled').waitFor({ timeout: 60000 });
  assert.equal(await cancel.count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Compare all 4' }).getAttribute('href'),
    `#/jobs/${[...ids].sort((a, b) => a - b)}?view=profile&seeds=bands`);
  await page.locator('label', { hasText: 'Group' }).locator('select').selectOption('');
  await row(page, 1).waitFor();
  assert.equal(await part.count(), 0);
  assert.deepEqual(wrong, []);
  await page.close();
});

test('a sweep that is written wrongly is not sent, and says why', async () => {
  const { page, wrong } = await openPage(browser, `${daemon.url}/#/submit?preset=tiny`);
  await page.getByText('A sweep:').click();
  for (const [text, answer] of [['skip', '“skip” lacks its values'], ['model.deep=1', 'no field of a job'],
    ['seed=1 train.seed=2', 'train.seed is given twice']]) {
    await page.getByLabel('Values').fill(text);
    await page.getByRole('alert').getByText(answer).waitFor();
  }
  assert.deepEqual(wrong, []);
  await page.close();
});
