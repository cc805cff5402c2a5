// The system's Chromium, closed to everything but the daemon under test.
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function startBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS });
}

// A page that remembers what it must not do: errors and foreign requests.
export async function openPage(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1360, height: 1200 }, ...options });
  const wrong = [], { origin } = new URL(url);
  page.on('console', (m) => { if (m.type() === 'error') wrong.push(`console: ${m.text()}`); });
  page.on('pageerror', (e) => wrong.push(`exception: ${e.message}`));
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== origin && !/^(data|blob):/.test(r.url())) wrong.push(`request: ${r.url()}`);
  });
  await page.goto(url);
  return { page, wrong };
}
