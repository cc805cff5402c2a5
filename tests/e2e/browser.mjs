// The system's Chromium, closed to everything but the daemon under test.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build } from './daemon.mjs';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const TINY = { preset: 'tiny', train: { epochs: 3 } };

export async function startBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS });
}

// How many times slower than it is the browser shall be, to see what a test
// takes for granted.
const SLOWER = Number(process.env.GRADWATCH_SLOWER ?? 1);

// A page that remembers what it must not do: errors and foreign requests.
export async function openPage(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1360, height: 1200 }, ...options });
  const wrong = [], { origin } = new URL(url);
  page.on('console', (m) => {
    if (m.type() === 'error') wrong.push(`console: ${m.text()} ${m.location().url}`);
  });
  page.on('pageerror', (e) => wrong.push(`exception: ${e.message}`));
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== origin && !/^(data|blob):/.test(r.url())) wrong.push(`request: ${r.url()}`);
  });
  if (SLOWER > 1) {
    const client = await page.context().newCDPSession(page);
    await client.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  }
  await page.goto(url);
  return { page, wrong };
}

// Kept in the build folder, for people to look at.
export async function shoot(page, name) {
  const dir = join(build, 'screenshots');
  await mkdir(dir, { recursive: true });
  await page.screenshot({ path: join(dir, `${name}.png`), fullPage: true });
}

// The data behind a chart, as the page shows it: [{head: cell}].
export async function openTable(page, chart) {
  const panel = page.locator(`[data-chart="${chart}"]`);
  const details = panel.locator('details');
  if (await details.getAttribute('open') === null) await details.locator('summary').click();
  await panel.locator('tbody tr').first().waitFor();
  return panel.locator('table').evaluate((element) => {
    const heads = [...element.querySelectorAll('th')].map((th) => th.textContent);
    return [...element.querySelectorAll('tbody tr')].map((row) =>
      Object.fromEntries([...row.cells].map((cell, i) => [heads[i], cell.textContent])));
  });
}

// As the page writes a norm.
export function shownNorm(x) {
  if (x === null || x === undefined) return '–';
  if (x === 0) return '0';
  const size = Math.abs(x);
  return size >= 0.01 && size < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(2);
}

// As the page writes the powers of ten of the daemon's sentences.
export const shownPowers = (text) => text.replace(/10\^(\d+)(?![\d.])/g, (_, digits) =>
  `10${[...digits].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]).join('')}`);

// Submits, and waits for the first event of a type.
export async function submitAndWait(daemon, spec, type) {
  const id = await daemon.submit(spec);
  await daemon.waitFor(id, type);
  return id;
}

// What a click downloads.
export async function download(page, button) {
  const [file] = await Promise.all([page.waitForEvent('download'), button.click()]);
  const parts = [];
  for await (const part of await file.createReadStream()) parts.push(part);
  return { name: file.suggestedFilename(), bytes: Buffer.concat(parts) };
}
