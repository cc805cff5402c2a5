// The OpenAPI document: lints clean, and is what the daemon answers, both ways.
// $GRADWATCH_ANSWERS names a file with answers that other tests got (one JSON
// object a line, tests/daemon.c); they are held against it as well.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createConfig, lint } from '@redocly/openapi-core';
import { build, startDaemon } from '../e2e/daemon.mjs';
import { makeChecker } from './checker.mjs';

const API = '/api/v1';
let daemon, document, checker, folder;

// An answer, after it was held against the document.
async function ask(method, path, body, headers = {}) {
  const sent = body === undefined ? headers : { 'Content-Type': 'application/json', ...headers };
  const response = await fetch(daemon.url + path, { method, headers: sent, redirect: 'manual',
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body) });
  const text = await response.text();
  checker.check({ method, path, status: response.status,
    type: response.headers.get('Content-Type'), body: text });
  return { status: response.status, text, headers: response.headers,
    json: /json/.test(response.headers.get('Content-Type')) && text ? JSON.parse(text) : null };
}

// A job of the fake worker, which does what the name says, to its end.
async function runJob(name, more = {}) {
  const { json } = await ask('POST', `${API}/jobs`, { name, ...more,
    train: { epochs: 2, ...more.train } });
  await (await fetch(`${daemon.url}${API}/jobs/${json.id}/events`)).text();
  return json.id;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradwatch-openapi-'));
  daemon = await startDaemon(['--no-auth', '--worker',
    join(build, 'tests/fake_worker')]);
  document = await (await fetch(`${daemon.url}${API}/openapi.json`)).json();
  checker = makeChecker(document);
});
after(async () => {
  await rm(folder, { recursive: true });
  assert.equal(await daemon?.stop(), 0);
});

test('the document lints clean', async () => {
  const file = join(folder, 'openapi.json');
  await writeFile(file, JSON.stringify(document));
  const config = await createConfig({ extends: ['recommended-strict'] });
  const problems = await lint({ ref: file, config });
  assert.deepEqual(problems.map((p) => `${p.ruleId}: ${p.message} at ${p.location[0]?.pointer}`), []);
});

test('every operation answers as documented, right and wrong', async () => {
  const done = await runJob('well');
  const job = `${API}/jobs/${done}`;
  for (const path of ['/healthz', '/readyz', '/metrics', API, `${API}/openapi.json`,
    `${API}/devices`, `${API}/queue`, `${API}/models`, `${API}/models/resnet50?skip=layer3`, `${API}/datasets`,
    `${API}/jobs?state=done,failed&limit=1`, job, `${job}/log`, `${job}/gradients`,
    `${job}/gradients.csv`, `${job}/histograms?bins=decade8`, `${job}/profile`, `${job}/verdict`,
    `${job}/metrics?detail=steps`, `${API}/jobs.csv?state=done`, `${job}/metrics.csv`,
    `${job}/metrics.columns`, `${job}/gradients.columns`, `${job}/histograms.csv`,
    `${job}/histograms.columns`, `${job}/profile.csv`, `${job}/profile.columns`,
    `${API}/compare?jobs=${done},${done}`,
    `${API}/compare.csv?jobs=${done},${done}`, `${API}/compare.columns?jobs=${done},${done}`]) {
    const { status, headers } = await ask('GET', path);
    assert.equal(status, 200, path);
    const again = await ask('GET', path, undefined, { 'If-None-Match': '*' });
    assert.equal(again.status, 304, path);
    assert.ok(headers.get('ETag'), path);
    assert.equal((await ask('GET', path, undefined, { Accept: 'image/png' })).status, 406, path);
    if (path.startsWith(API))
      assert.ok([400, 404].includes((await ask('GET', `${path.split('?')[0]}?nonsense=1`)).status)
        || /log|devices|models$|datasets|v1$|json$|jobs\/\d+$/.test(path), path);
  }
  assert.equal((await ask('POST', `${API}/login`)).status, 201);
  for (const [path, draining] of [['/queue/drain', true], ['/queue/undrain', false]])
    assert.equal((await ask('POST', API + path)).json.draining, draining);
  assert.equal((await ask('POST', `${API}/jobs?dry_run=true`, {})).status, 200);
  assert.equal((await ask('POST', `${API}/jobs`, { train: { batch: 1 } })).status, 422);
  assert.equal((await ask('POST', `${API}/jobs`, '{')).status, 400);
  assert.equal((await ask('POST', `${API}/jobs`, 'x', { 'Content-Type': 'text/plain' })).status, 415);
  assert.equal((await ask('POST', `${API}/jobs`, `"${'x'.repeat(300000)}"`)).status, 413);
  assert.equal((await ask('POST', `${job}/cancel`)).status, 409);
  assert.equal((await ask('GET', `${job}/events`)).status, 200);
  assert.equal((await ask('GET', `${job}/events?since=1000`)).status, 204);
  const hung = (await ask('POST', `${API}/jobs`, { name: 'hang' })).json.id;
  assert.equal((await ask('DELETE', `${API}/jobs/${hung}`)).status, 409);
  assert.equal((await ask('POST', `${API}/jobs/${hung}/cancel`)).status, 202);
  const failed = await runJob('fail');
  assert.equal((await ask('GET', `${API}/jobs/${failed}`)).json.error.message, 'no images here');
  await runJob('diverge');
  const all = await fetch(`${daemon.url}${API}/events`);
  checker.check({ method: 'GET', path: `${API}/events`, status: all.status,
    type: all.headers.get('Content-Type'), body: '' });
  await all.body.cancel();
  assert.equal((await ask('DELETE', job)).status, 204);
  assert.equal((await ask('GET', job)).status, 404);
  const sweep = { spec: { group: 'g', train: { epochs: 2 } }, sweep: { 'model.skip': [true, false] } };
  assert.equal((await ask('POST', `${API}/sweeps?dry_run=true`, sweep)).status, 200);
  const made = await ask('POST', `${API}/sweeps`, sweep);
  assert.equal(made.status, 201);
  for (const { id } of made.json.jobs)
    await (await fetch(`${daemon.url}${API}/jobs/${id}/events`)).text();
  for (const path of ['/groups/g', '/groups/g/compare', '/groups/g/compare.csv',
    '/groups/g/compare.columns', '/jobs?group=g'])
    for (const [headers, status] of [[{}, 200], [{ 'If-None-Match': '*' }, 304]])
      assert.equal((await ask('GET', API + path, undefined, headers)).status, status, path);
  assert.equal((await ask('POST', `${API}/groups/g/cancel`)).status, 202);
  assert.equal((await ask('POST', `${API}/sweeps`, { ...sweep, sweep: { no: [1] } })).status, 422);
  assert.equal((await ask('GET', `${API}/compare?jobs=1`)).status >= 400, true);
});

// What only a real worker says: steps that were kept, validation, checkpoints.
test('a real job answers as documented', async () => {
  const fake = daemon;
  daemon = await startDaemon(['--no-auth', '--data', `photos=${folder}`]);
  try {
    const { json } = await ask('POST', `${API}/jobs`, { preset: 'tiny',
      model: { arch: 'resnet18', width: 0.0625 }, train: { epochs: 1 },
      data: { validation: 0.2 }, record: { probe: [0] } });
    const job = `${API}/jobs/${json.id}`;
    await (await fetch(`${daemon.url}${job}/events`)).text();
    assert.equal((await ask('GET', job)).json.state, 'done');
    for (const below of ['gradients', 'histograms', 'profile', 'verdict', 'metrics?detail=steps',
      'probe', 'checkpoints', 'checkpoints/last', 'log'])
      assert.equal((await ask('GET', `${job}/${below}`)).status, 200, below);
    const { devices } = (await ask('GET', `${API}/devices`)).json;
    assert.ok(devices.every((d) => d.bytes_free > 0 && d.bytes_total >= d.bytes_free));
    assert.deepEqual((await ask('GET', `${API}/datasets`)).json.datasets.map((d) => d.root),
      [null, 'photos']);
    for (const below of ['checkpoints', 'checkpoints/last', 'probe'])
      assert.equal((await ask('GET', `${job}/${below}`, undefined, { 'If-None-Match': '*' })).status,
        304, below);
    assert.equal((await ask('GET', `${job}/checkpoints/77`)).status, 404);
    // Only the worker sees how many classes there are.
    const wrong = await runJob('few', { preset: 'tiny',
      model: { arch: 'resnet18', width: 0.0625, classes: 3 } });
    const { error } = (await ask('GET', `${API}/jobs/${wrong}`)).json;
    assert.equal(error.errors[0].pointer, '/model/classes');
  } finally {
    await daemon.stop();
    daemon = fake;
  }
});

test('what changes a job answers as documented', async () => {
  const { id } = (await ask('POST', `${API}/jobs`, { name: 'hang' })).json;
  const waiting = (await ask('POST', `${API}/jobs`, { name: 'well' })).json.id;
  const job = `${API}/jobs/${waiting}`;
  assert.equal((await ask('PATCH', job, { name: 'other', priority: 0 })).json.name, 'other');
  assert.equal((await ask('PATCH', job, { state: 'done' })).status, 422);
  assert.equal((await ask('POST', `${job}/move`, { before: null })).status, 202);
  assert.equal((await ask('POST', `${job}/move`, {})).status, 422);
  assert.equal((await ask('POST', `${job}/pause`)).status, 202);
  assert.equal((await ask('POST', `${job}/pause`)).status, 409);
  assert.equal((await ask('POST', `${job}/resume`)).status, 202);
  assert.equal((await ask('POST', `${job}/clone`, { train: { batch: 1 } })).status, 422);
  const clone = (await ask('POST', `${job}/clone`)).json.id;
  for (const each of [clone, waiting, id])
    assert.equal((await ask('POST', `${API}/jobs/${each}/cancel`)).status, 202);
});

test('answers of other tests are as documented', async (t) => {
  if (!process.env.GRADWATCH_ANSWERS) return t.skip('no $GRADWATCH_ANSWERS');
  const lines = (await readFile(process.env.GRADWATCH_ANSWERS, 'utf8')).split('\n').filter(Boolean);
  assert.ok(lines.length > 100, `only ${lines.length} answers: did the suite api run?`);
  const wrong = new Set();
  for (const line of lines)
    try { checker.check(JSON.parse(line)); } catch (error) { wrong.add(error.message); }
  assert.deepEqual([...wrong], []);
  t.diagnostic(`${lines.length} answers`);
});

// Types that are sent and never answered with.
function sentOnly() {
  return new Set(checker.operations.map(({ operation }) =>
    operation.requestBody?.content['application/json'].schema.$ref?.split('/').at(-1)));
}

test('nothing is documented that never comes', () => {
  const missing = [];
  for (const { method, path, operation, seen } of checker.operations)
    for (const status of Object.keys(operation.responses))
      if (!seen.has(status) && !/XX$/.test(status)) missing.push(`${method} ${path}: ${status}`);
  for (const [name, schema] of Object.entries(document.components.schemas))
    for (const key of Object.keys(schema.properties ?? {}))
      if (!sentOnly().has(name) && !checker.members.has(`${name}.${key}`)) missing.push(`${name}.${key}`);
  assert.deepEqual(missing, []);
});

// The loopback that browsers try first for "localhost".
const v6 = Object.values(networkInterfaces()).flat().some((i) => i.address === '::1');
test('it is asked by IPv6 as by IPv4', { skip: v6 ? false : 'this machine has no ::1' }, async () => {
  const own = await startDaemon(['--no-auth'], '[::1]');
  try {
    assert.match(own.url, /^http:\/\/\[::1\]:\d+$/);
    for (const [origin, status] of [[own.url, 201], ['http://[::1]:1', 403], ['http://[::2]', 403]]) {
      const response = await fetch(`${own.url}${API}/jobs`, { method: 'POST', body: '{"preset": "tiny"}',
        headers: { 'Content-Type': 'application/json', Origin: origin } });
      assert.equal(response.status, status, origin);
    }
    await promisify(execFile)(join(build, 'client/gradwatch'), ['--server', own.url, 'cancel', '1']);
  } finally {
    assert.equal(await own.stop(), 0);
  }
});

// Lines of the page that begin with curl, with those that go on after a \.
async function examples() {
  const text = await readFile(new URL('../../docs/api.md', import.meta.url), 'utf8');
  return [...text.matchAll(/^ {4}(?:\$ )?(curl (?:.*\\\n)*.*)$/gm)].map((m) => m[1]);
}

test('the examples of docs/api.md work, one for each operation', async (t) => {
  const fake = daemon;
  daemon = await startDaemon();
  t.after(() => daemon.stop().then(() => { daemon = fake; }));
  // 6, 7 and 8 are jobs that ended, 9 is one that waits for another.
  const jobs = {};
  const tiny = { preset: 'tiny', model: { arch: 'resnet18', width: 0.0625 } };
  for (const name of [6, 7, 8]) jobs[name] = await runJob('small', tiny);
  await ask('POST', `${API}/jobs`, { ...tiny, train: { epochs: 100000 } });
  jobs[9] = (await ask('POST', `${API}/jobs`, tiny)).json.id;
  const left = new Set(checker.operations.map((o) => `${o.method} ${o.path}`));
  await writeFile(join(folder, 'header'), 'X-Nothing: 1\n');
  for (const example of await examples()) {
    const command = example.replaceAll('localhost:7050', new URL(daemon.url).host)
      .replace(/(\/jobs\/)([6-9])\b/, (all, path, name) => path + jobs[name])
      .replace('jobs=7,8', `jobs=${jobs[7]},${jobs[8]}`);
    const found = example.match(/localhost:7050(\/[^\s?']*)/);
    assert.ok(found, example);
    const method = example.match(/-X (\w+)/)?.[1].toLowerCase()
      ?? (/--json| -d /.test(example) ? 'post' : 'get');
    const operation = checker.operations.find((o) => o.method === method && o.pattern.test(found[1]));
    assert.ok(operation, `no operation: ${example}`);
    left.delete(`${operation.method} ${operation.path}`);
    // A stream of all jobs has no end (28: curl's limit).
    const endless = found[1] === `${API}/events`;
    await promisify(execFile)('bash', ['-c', `${command} --fail-with-body ${endless ? '-m 1' : '-m 20'}`],
      { cwd: folder }).catch((error) => {
      if (!(endless && error.code === 28))
      assert.fail(`${command}: ${error.code} ${error.stdout} ${error.stderr}`);
    });
  }
  assert.deepEqual([...left], []);
});
