// SPDX-License-Identifier: Apache-2.0
// What is chosen once for a testbed and kept for its life: ports on 127.0.0.1 and the object store's keys.
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { FILES } from './config.ts';

export interface Settings {
  readonly apiPort: number;
  readonly s3Port: number;
  readonly s3AccessKey: string;
  readonly s3SecretKey: string;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function freePort(from: number): Promise<number> {
  for (let port = from; port < from + 100; port++) if (await isFree(port)) return port;
  throw new Error(`no free port on 127.0.0.1 between ${from} and ${from + 99}`);
}

/** Settings of the running testbed, or undefined if there is none. */
async function readSettings(): Promise<Settings | undefined> {
  try {
    return JSON.parse(await readFile(FILES.settings, 'utf8')) as Settings;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function ensureSettings(): Promise<Settings> {
  const have = await readSettings();
  if (have !== undefined) return have;
  const settings: Settings = {
    apiPort: await freePort(26443),
    s3Port: await freePort(27070),
    s3AccessKey: 'testbed',
    s3SecretKey: randomBytes(20).toString('hex'),
  };
  await writeFile(`${FILES.settings}.making`, JSON.stringify(settings, null, 2), { mode: 0o600 });
  await rename(`${FILES.settings}.making`, FILES.settings);
  return settings;
}
