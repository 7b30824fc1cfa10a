// SPDX-License-Identifier: Apache-2.0
// A killed engine leaves its bridge, and a bridge with the addresses of the testbed takes all that is sent to it.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ADDRESSES, FILES } from './config.ts';
import { run } from './run.ts';

/** `198.18.16.0/24` → `198.18.16.1/24`, the engine's own address in a network. */
const gateway = ADDRESSES.nodes.replace('.0/', '.1/');

async function otherEngines(): Promise<string[]> {
  const ours = path.join(FILES.engine, 'data');
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const root = words.find((word) => word.startsWith('--data-root='))?.slice('--data-root='.length);
    if (words[0]?.endsWith('dockerd') === true && root?.endsWith('.testbed/engine/data') && root !== ours) {
      found.push(root);
    }
  }
  return found;
}

/** Bridges with the testbed's address, by `ip`'s own words. */
export async function bridges(): Promise<string[]> {
  const { stdout } = await run('ip', ['-o', '-4', 'address', 'show']);
  const fields = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  return fields.filter((line) => line[3] === gateway && line[1]?.startsWith('br-')).map((line) => line[1] ?? '');
}

/**
 * Removes bridges with the testbed's address that belong to none of the engine's networks.
 * @param networks ids of the engine's networks
 * @throws when the engine that such a bridge belongs to still runs: a machine has room for one testbed
 */
export async function removeStrayBridges(networks: readonly string[]): Promise<void> {
  const own = new Set(networks.map((id) => `br-${id.slice(0, 12)}`));
  const strays = (await bridges()).filter((name) => !own.has(name));
  if (strays.length === 0) return;
  const others = await otherEngines();
  if (others.length > 0) {
    throw new Error(`another testbed runs on this machine: ${others.join(', ')}; end it there with make testbed-down`);
  }
  for (const name of strays) {
    const ports = (await run('ip', ['-o', 'link', 'show', 'master', name])).stdout.matchAll(/^\d+: ([^@:]+)/gm);
    for (const [, port = ''] of ports) await run('ip', ['link', 'delete', port], { allowFailure: true });
    await run('ip', ['link', 'delete', name]);
  }
}
