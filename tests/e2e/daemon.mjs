// Starts the real daemon with the real worker on a free port, for one test.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = new URL('../../', import.meta.url).pathname;

// $GRADWATCH_BUILD, else where scripts/test builds, else where people do.
export const build = [process.env.GRADWATCH_BUILD, 'build-test', 'build']
  .filter(Boolean).map((dir) => join(root, dir))
  .find((dir) => existsSync(join(dir, 'daemon/gradwatchd')));

export async function startDaemon(options = []) {
  if (!build) throw new Error('no build folder: run scripts/test, or meson and ninja');
  const state = await mkdtemp(join(tmpdir(), 'gradwatch-e2e-'));
  const child = spawn(join(build, 'daemon/gradwatchd'),
    ['--listen', '127.0.0.1:0', '--state', state, ...options],
    { stdio: ['ignore', 'pipe', 'pipe'] });
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

  return {
    url,
    log,
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
    // All events of a job, to its last one.
    async events(id) {
      const response = await fetch(`${url}/api/v1/jobs/${id}/events?since=0`);
      const events = [];
      const lines = createInterface({ input: response.body });
      for await (const line of lines)
        if (line.startsWith('data:')) events.push(JSON.parse(line.slice(5)));
      return events;
    },
  };
}
