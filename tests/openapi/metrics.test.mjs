// /metrics with a job that trains: as promtool wants it, and scraped by a real
// Prometheus, with the token. Both are of Debian's package prometheus; without
// it these are skipped.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon } from '../e2e/daemon.mjs';

const installed = spawnSync('promtool', ['--version']).status === 0;
const skip = installed ? false : 'prometheus is not installed';
let daemon, folder, headers, token;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradwatch-metrics-'));
  token = join(folder, 'token');
  daemon = await startDaemon(['--token-file', token]);
  headers = { Authorization: `Bearer ${(await readFile(token, 'utf8')).trim()}` };
  const response = await fetch(`${daemon.url}/api/v1/jobs`, { method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ preset: 'tiny', model: { arch: 'resnet18', width: 0.0625 },
      train: { epochs: 100000 }, record: { layers: ['conv1', 'fc'] } }) });
  assert.equal(response.status, 201);
  // Until a whole epoch is there.
  const stream = await fetch(`${daemon.url}/api/v1/jobs/1/events`, { headers });
  let text = '';
  for await (const chunk of stream.body) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"type":"epoch"')) break;
  }
});
after(async () => {
  await daemon?.stop();
  await rm(folder, { recursive: true });
});

const metrics = async () => (await fetch(`${daemon.url}/metrics`, { headers })).text();

test('a job that trains has series of its own', async () => {
  const text = await metrics();
  assert.match(text, /^gradwatch_jobs\{state="running"\} 1$/m);
  assert.match(text, /^gradwatch_job_epoch\{job="1"\} [1-9]\d*$/m);
  assert.match(text, /^gradwatch_job_loss\{job="1"\} \d/m);
  assert.match(text, /^gradwatch_layer_median\{job="1",quantity="grad_out",layer="conv1"\} [\d.e-]+$/m);
  assert.equal(text.match(/^gradwatch_layer_median\{/gm).length, 2);
});

test('promtool finds nothing to say', { skip }, async () => {
  assert.equal(execFileSync('promtool', ['check', 'metrics'], { input: await metrics() }).toString(), '');
});

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

test('a Prometheus server scrapes it', { skip }, async () => {
  const config = join(folder, 'prometheus.yml'), port = await freePort();
  await writeFile(config, `scrape_configs:
  - job_name: gradwatch
    scrape_interval: 200ms
    scrape_timeout: 200ms
    authorization: { credentials_file: ${token} }
    static_configs: [{ targets: ['${new URL(daemon.url).host}'] }]
`);
  const server = spawn('prometheus', [`--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`],
  { stdio: 'ignore' });
  const exited = new Promise((resolve) => { server.on('exit', resolve); });
  try {
    let seen = [];
    for (let i = 0; i < 200 && !seen.length; i++) {
      await sleep(100);
      const url = `http://127.0.0.1:${port}/api/v1/query?query=gradwatch_layer_median`;
      const answer = await fetch(url).then((r) => r.json()).catch(() => null);
      seen = answer?.data?.result ?? [];
    }
    assert.deepEqual(seen.map((s) => s.metric.layer).sort(), ['conv1', 'fc']);
  } finally {
    server.kill('SIGTERM');
    await exited;
  }
});
