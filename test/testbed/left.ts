// SPDX-License-Identifier: Apache-2.0
// What of the testbed is still on this machine: read from the machine itself, not from what the teardown believes.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { bridges } from './bridges.ts';
import { STATE } from './config.ts';
import { labelledObjects } from './docker.ts';
import { engineRules, findEngine, ownProcesses } from './engine.ts';

async function mounts(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '').filter((target) => target.startsWith(`${STATE}/`));
}

/** Loop devices whose file was a volume of the testbed. */
async function loops(): Promise<string[]> {
  const found: string[] = [];
  for (const device of (await readdir('/sys/block')).filter((name) => name.startsWith('loop'))) {
    const file = await readFile(path.join('/sys/block', device, 'loop/backing_file'), 'utf8').catch(() => '');
    if (file.startsWith('/disks/volume-')) found.push(`${device} (${file.trim()})`);
  }
  return found;
}

/** A line for each thing that is left, none if nothing is. */
export async function leftovers(): Promise<string[]> {
  const engine = await findEngine();
  const found: Record<string, readonly string[]> = {
    'state folder': existsSync(STATE) ? [STATE] : [],
    process: (await ownProcesses()).map(String),
    ...(engine === undefined ? {} : await labelledObjects()),
    mount: await mounts(),
    'loop device': await loops(),
    bridge: await bridges(),
    // Where another engine runs, chains are its own business.
    'packet filter rule': engine === undefined ? await engineRules() : [],
  };
  return Object.entries(found).flatMap(([what, names]) => names.map((name) => `${what} ${name}`));
}
