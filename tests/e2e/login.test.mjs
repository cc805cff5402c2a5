// A daemon that asks for its token: a link lets a browser in, once.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

let daemon, browser;

before(async () => {
  daemon = await startDaemon([]);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  assert.equal(await daemon?.stop(), 0);
});

test('without the link the page says how to get one', async () => {
  const { page } = await openPage(browser, daemon.url);
  await page.getByText('gradwatch open').waitFor();
  await page.close();
});

test('with the link it shows the jobs, and stays in', async () => {
  const token = (await readFile(join(daemon.state, 'token'), 'utf8')).trim();
  const answer = await fetch(`${daemon.url}/api/v1/login`, { method: 'POST',
    headers: { Authorization: `Bearer ${token}` } });
  const { page, wrong } = await openPage(browser, daemon.url + (await answer.json()).path);
  await page.getByText('No jobs yet').waitFor();
  await page.goto(`${daemon.url}/#/submit`);
  await page.reload();
  await page.getByLabel('train.lr').waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});
