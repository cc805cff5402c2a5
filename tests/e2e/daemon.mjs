// Starts the real daemon with the real worker on a free port, for one test.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

const root = new URL('../../', import.meta.url).pathname;

// $GRADWATCH_BUILD, else where scripts/test builds, else where people do.
export const build = [process.env.GRADWATCH_BUILD, 'build-test', 'build']
  .filter(Boolean).map((dir) => join(root, dir))
  .find((dir) => existsSync(join(dir, 'daemon/gradwatchd')));

// Threads that spin would take the browser's cores.
const environment = { ...process.env, OMP_WAIT_POLICY: 'passive' };

// Starts one on a port and a state directory: {url, child, exited, log}.
async function launch(port, state, options, host) {
  const child = spawn(join(build, 'daemon/gradwatchd'),
    ['--listen', `${host}:${port}`, '--state', state, ...options],
    { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  const log = [];
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  const exited = new Promise((resolve) => { child.on('exit', resolve); });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = line.match(/^listening on (http:\S+)$/);
      if (match) resolve(match[1]);
    });
    exited.then((code) => reject(new Error(`gradwatchd exited ${code}:\n${log.join('\n')}`)));
  });
  return { url, child, exited, log };
}

// Asks nobody for a token unless the options say otherwise.
export async function startDaemon(options = ['--no-auth'], host = '127.0.0.1') {
  if (!build) throw new Error('no build folder: run scripts/test, or meson and ninja');
  const state = await mkdtemp(join(tmpdir(), 'gradwatch-e2e-'));
  let { url, child, exited, log } = await launch(0, state, options, host);

  return {
    url,
    state,
    get log() { return log; },
    // Ends it without a word, as a crash or the loss of power would.
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    // Where it was, with the state it had.
    async restart() {
      ({ child, exited, log } = await launch(new URL(url).port, state, options, host));
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      await rm(state, { recursive: true });
      return code;
    },
    async api(path) {
      const response = await fetch(`${url}/api/v1${path}`);
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return response.json();
    },
    async submit(spec) {
      const response = await fetch(`${url}/api/v1/jobs`, { method: 'POST',
        headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(spec) });
      if (response.status !== 201) throw new Error(await response.text());
      return (await response.json()).id;
    },
    async cancel(id) {
      const response = await fetch(`${url}/api/v1/jobs/${id}/cancel`, { method: 'POST' });
      if (!response.ok) throw new Error(await response.text());
    },
    // The first event of a type; of none, the last one of the job.
    async waitFor(id, type) {
      const response = await fetch(`${url}/api/v1/jobs/${id}/events?since=0`);
      const body = Readable.fromWeb(response.body);
      let event = null;
      for await (const line of createInterface({ input: body })) {
        if (!line.startsWith('data:')) continue;
        event = JSON.parse(line.slice(5));
        if (event.type === type) break;
      }
      body.destroy();
      return event;
    },
    async train(spec) {
      const id = await this.submit(spec);
      await this.waitFor(id);
      return id;
    },
  };
}
