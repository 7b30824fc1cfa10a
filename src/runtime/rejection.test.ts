// SPDX-License-Identifier: Apache-2.0
// A promise that rejects and that nobody awaits ends neither the process nor the work on other keys: shown in a real process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';

/** A manager without a cluster: one controller with two keys, of which one leaves such a promise behind at each run. */
const program = `
  import { createLogger } from '../telemetry/log.ts';
  import { Metrics } from '../telemetry/metrics.ts';
  import { KubeClient } from './client.ts';
  import { Manager } from './manager.ts';
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const log = createLogger('info');
  const auth = { server: 'https://127.0.0.1:1', tls: async () => ({}), headers: async () => ({}), refused: () => {} };
  const manager = new Manager({
    client: new KubeClient({ auth }),
    namespaces: [],
    log,
    metrics: new Metrics(),
    identity: 'test',
    healthPort: 0,
    signal: stop.signal,
  });
  manager.controller({
    name: 'test',
    sources: [{ keys: () => ['poison', 'healthy'].map((name) => ({ namespace: 'shop', name })), onKey: () => {} }],
    reconcile: async ({ name }) => {
      if (name === 'poison') void Promise.reject(new Error('nobody awaits this'));
      log.info({ name }, 'reconciled');
      return { requeueAfterMs: 20 };
    },
  });
  await manager.run();
  log.info('ended in order');
`;

interface Line {
  msg: string;
  name?: string;
  err?: { message: string };
}

it('a rejection that nobody awaits is logged, and both keys are looked at again', { timeout: 60_000 }, async () => {
  const signal = AbortSignal.timeout(50_000);
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const exit = once(child, 'exit');
  const told: Line[] = [];
  const after = new Set<string | undefined>();
  let last = '';
  for await (const text of createInterface({ input: child.stdout })) {
    const line: Line = JSON.parse(text);
    last = line.msg;
    if (line.msg === 'unhandled promise rejection') told.push(line);
    if (told.length === 0 || line.msg !== 'reconciled' || after.size === 2) continue;
    after.add(line.name);
    // A second signal would end it at once.
    if (after.size === 2) child.kill('SIGTERM');
  }
  expect((await exit)[0], 'exit status').toBe(0);
  expect(told[0]?.err?.message).toBe('nobody awaits this');
  expect(last).toBe('ended in order');
});
