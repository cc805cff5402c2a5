// /metrics with a job that trains: as promtool wants it, and scraped by a real
// Prometheus, with the token; and what config/grafana asks of it and of the API.
// Both programs are of Debian's package prometheus; without it these are skipped.
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
    // A name that would be another series, were it told.
    body: JSON.stringify({ name: 'a"} 1 {b="\\', preset: 'tiny', model: { arch: 'resnet18', width: 0.0625 },
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
  assert.match(text, /^gradwatch_job_epoch\{id="1"\} [1-9]\d*$/m);
  assert.match(text, /^gradwatch_job_loss\{id="1"\} \d/m);
  assert.match(text, /^gradwatch_layer_median\{id="1",quantity="grad_out",layer="conv1"\} [\d.e-]+$/m);
  assert.equal(text.match(/^gradwatch_layer_median\{/gm).length, 2);
  assert.ok(!text.includes('{b='));
});

test('promtool finds nothing to say', { skip }, async () => {
  assert.equal(execFileSync('promtool', ['check', 'metrics'], { input: await metrics() }).toString(), '');
});

async function read(path) {
  return readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
}
const dashboard = async (name) => JSON.parse(await read(`config/grafana/${name}.json`));

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

// A Prometheus with the configuration of config/grafana/README.md, but for the
// address, the token's place and how often. {ask, stop}; null: its port was
// taken before it came.
async function tryPrometheus() {
  const config = join(folder, 'prometheus.yml'), port = await freePort();
  const [scrape] = (await read('config/grafana/README.md')).match(/^ {4}scrape_configs:\n(?: {4}.*\n)+/m);
  await writeFile(config, `global: { scrape_interval: 1s, scrape_timeout: 1s }\n${scrape
    .replace(/^ {4}/gm, '').replace('/var/lib/gradwatch/token', token)
    .replace('127.0.0.1:7050', new URL(daemon.url).host)}`);
  const server = spawn('prometheus', [`--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, `tsdb-${port}`)}`, `--web.listen-address=127.0.0.1:${port}`],
  { stdio: 'ignore' });
  let ended = false;
  const exited = new Promise((resolve) => { server.on('exit', () => { ended = true; resolve(); }); });
  const ask = async (path) => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json();
  const stop = async () => { server.kill('SIGTERM'); await exited; };
  for (;;) {
    if (ended) return null;
    if ((await ask('status/runtimeinfo').catch(() => null))?.status === 'success') return { ask, stop };
    await sleep(100);
  }
}

// What an expression gives as soon as it gives anything: after two scrapes, for
// those about a rate. Busy machines scrape late.
async function evaluate(prometheus, expression) {
  for (let i = 0; i < 600; i++) {
    const { status, data, error } = await prometheus.ask(`query?query=${encodeURIComponent(expression)}`);
    assert.equal(status, 'success', `${expression}: ${error}`);
    if (data.result.length) return data.result.map((r) => r.metric);
    await sleep(100);
  }
  assert.fail(`${expression} gives nothing`);
}

test('a Prometheus server has all that the dashboard and the alarms ask for', { skip }, async () => {
  let prometheus = null;
  for (let i = 0; i < 5 && !prometheus; i++) prometheus = await tryPrometheus();
  assert.ok(prometheus, 'it does not start');
  try {
    const { panels, templating } = await dashboard('gradwatch');
    const [, metric, label] = templating.list.find((v) => v.name === 'id').query
      .match(/^label_values\((\w+), (\w+)\)$/);
    const ids = (await evaluate(prometheus, metric)).map((m) => m[label]);
    assert.deepEqual(ids, ['1']);
    const targets = panels.flatMap((p) => p.targets);
    assert.ok(targets.length >= panels.length);
    for (const { expr, legendFormat } of targets) {
      const found = await evaluate(prometheus, expr.replaceAll('$id', ids.join('|')));
      for (const [, name] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(found.every((m) => m[name]), `${expr}: no label ${name}`);
    }
    const rules = [...(await read('docs/dashboards.md')).matchAll(/^ +expr: (.*) (?:==|>) 0$/gm)];
    assert.ok(rules.length >= 2);
    for (const [, expression] of rules) await evaluate(prometheus, expression);
    const layers = await evaluate(prometheus, 'gradwatch_layer_median');
    assert.deepEqual(layers.map((m) => m.layer).sort(), ['conv1', 'fc']);
    // Nothing of ours was renamed for being called as something of theirs.
    const labels = (await prometheus.ask('labels')).data;
    assert.deepEqual(labels.filter((name) => name.startsWith('exported_')), []);
  } finally {
    await prometheus.stop();
  }
});

// What a selector of Infinity's stands for in a row.
const cell = (row, selector) => selector.split('.').reduce((at, key) => at?.[key], row);

const fits = {
  number: (x) => x === null || typeof x === 'number',
  string: (x) => typeof x === 'string',
  timestamp: (x) => x === null || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(x),
};

test('the API has every column that the Infinity dashboard asks for', async () => {
  for (const { title, targets } of (await dashboard('infinity')).panels)
    for (const { type, url, root_selector: root, columns } of targets) {
      const answer = await fetch(daemon.url + url.replaceAll('${id}', '1'), { headers });
      assert.equal(answer.status, 200, url);
      let rows;
      if (type === 'json') {
        rows = (await answer.json())[root];
      } else {
        const [names, ...lines] = (await answer.text()).trimEnd().split('\n').map((l) => l.split(','));
        rows = lines.map((line) => Object.fromEntries(names.map((name, i) => [name,
          line[i] === '' ? null : Number.isNaN(Number(line[i])) ? line[i] : Number(line[i])])));
      }
      assert.ok(rows.length > 0, title);
      for (const { selector, type: kind } of columns) {
        assert.ok(rows.every((row) => cell(row, selector) !== undefined && fits[kind](cell(row, selector))),
          `${title}: ${selector} is not always a ${kind}: ${JSON.stringify(rows[0])}`);
        if (selector !== 'ended_at')
          assert.ok(rows.some((row) => cell(row, selector) !== null), `${title}: no ${selector}`);
      }
    }
});
