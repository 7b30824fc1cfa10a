// SPDX-License-Identifier: Apache-2.0
// One run at a time works on the testbed; the others wait for it.
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { FILES, STATE } from './config.ts';
import type { Progress } from './progress.ts';
import { until } from './run.ts';

/** Holds the lock while it works; the lock of a dead process is taken over. */
export async function locked<T>(progress: Progress, work: () => Promise<T>): Promise<T> {
  await mkdir(STATE, { recursive: true });
  // The file appears under its name with its contents, so nobody reads an empty one.
  const mine = `${FILES.lock}.${process.pid}`;
  await writeFile(mine, String(process.pid));
  let told = false;
  try {
    await until(
      `the end of another run (${FILES.lock})`,
      async () => {
        try {
          await link(mine, FILES.lock);
          return true;
        } catch {
          const holder = (await readFile(FILES.lock, 'utf8').catch(() => '')).trim();
          if (holder !== '' && !existsSync(`/proc/${holder}`)) await rm(FILES.lock, { force: true });
          else if (!told) progress.note(`waiting for process ${holder}, which works on the testbed`);
          told = true;
          return undefined;
        }
      },
      { timeoutMs: 60 * 60_000, intervalMs: 200 },
    );
  } finally {
    await rm(mine, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(FILES.lock, { force: true });
  }
}
