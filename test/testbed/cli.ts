// SPDX-License-Identifier: Apache-2.0
// The testbed from a shell: `up`, `down`, `status`, `left`.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { bringUp, takeDown } from './cluster.ts';
import { FILES, ROOT } from './config.ts';
import { kubectl } from './kubectl.ts';
import { leftovers } from './left.ts';
import { createProgress } from './progress.ts';

const progress = createProgress((line) => console.log(line));
const relative = (file: string) => path.relative(ROOT, file);

async function up(): Promise<void> {
  const { settings } = await bringUp(process.env.QUORATE_TESTBED_DNS === 'direct' ? 'direct' : 'cached', progress);
  progress.note(
    `the testbed is up: API server 127.0.0.1:${settings.apiPort}, object store 127.0.0.1:${settings.s3Port}`,
  );
  console.log(`  export KUBECONFIG=${relative(FILES.kubeconfig)} PATH=$PWD/${relative(FILES.bin)}:$PATH`);
}

async function status(): Promise<void> {
  if (!existsSync(FILES.kubeconfig)) return console.log('the testbed is down');
  console.log(await kubectl('get', 'nodes', '-o', 'wide', '--request-timeout=5s'));
  console.log(await kubectl('get', 'pods', '-A', '-o', 'wide', '--request-timeout=5s'));
}

/** Nothing and status 0 after a teardown that did all of its work. */
async function left(): Promise<void> {
  const found = await leftovers();
  if (found.length > 0) throw new Error(`left on this machine:\n  ${found.join('\n  ')}`);
}

const commands: Record<string, () => Promise<void>> = { up, down: () => takeDown(progress), status, left };
const command = commands[process.argv[2] ?? ''];
if (command === undefined) {
  console.error(`usage: node ${relative(import.meta.filename)} up|down|status|left`);
  process.exit(2);
}
try {
  await command();
} catch (error) {
  console.error(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
