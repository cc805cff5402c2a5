// The pictures of the README, of a pair that was just trained.
//   node screenshots.mjs PRESET OUTDIR
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openPage, startBrowser } from './browser.mjs';
import { startDaemon } from './daemon.mjs';

const [preset = 'demo', out = '.'] = process.argv.slice(2);
// Name, address, what must be there, size.
const PICTURES = [
  ['jobs', '/', 'table.jobs progress', 1200, 420],
  ['pair', '/jobs/1,2', '.chart canvas', 1280, 860],
  ['histogram', '/jobs/1?layers=all', '.chart canvas', 1000, 1680],
  ['heat', '/jobs/1,2?view=heat', '.chart canvas', 1280, 980],
  ['verdict', '/jobs/1,2?view=verdict', '[data-chart="compare-1-2"] canvas', 1280, 980],
  ['profile', '/jobs/1,2?view=profile', '.chart canvas', 1280, 980],
];

const daemon = await startDaemon();
const browser = await startBrowser();
try {
  await mkdir(out, { recursive: true });
  for (const skip of [false, true]) {
    const id = await daemon.train({ preset, model: { skip } });
    console.log(`job ${id}: ${(await daemon.api(`/jobs/${id}`)).state}`);
  }
  for (const [name, address, ready, width, height] of PICTURES) {
    const { page, wrong } = await openPage(browser, `${daemon.url}/#${address}`,
      { viewport: { width, height } });
    await page.locator(ready).first().waitFor();
    await page.waitForLoadState('networkidle', { timeout: 5000 }).catch(() => {});
    await page.screenshot({ path: join(out, `${name}.png`), fullPage: name !== 'jobs' });
    await page.close();
    if (wrong.length) throw new Error(`${name}: ${wrong.join('; ')}`);
    console.log(`wrote ${join(out, `${name}.png`)}`);
  }
} finally {
  await browser.close();
  await daemon.stop();
}
