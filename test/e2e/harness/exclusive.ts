// SPDX-License-Identifier: Apache-2.0
// One run of the e2e tests at a time: the set-up of a second one would remove the namespaces of the first.
import { open, readFile, rm } from 'node:fs/promises';
import { until } from './until.ts';

/** Longest wait for another run, in milliseconds. */
const PATIENCE_MS = 40 * 60_000;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Takes the lock, waiting for the run that holds it; a lock of a process that is gone is taken over. Returns its release. */
export async function exclusively(file: string): Promise<() => Promise<void>> {
  await until(`another run of the e2e tests has ended (${file})`, {
    within: PATIENCE_MS,
    read: async () => {
      const holder = Number(await readFile(file, 'utf8').catch(() => ''));
      if (holder > 0 && holder !== process.pid && alive(holder)) throw new Error(`process ${holder} is at it`);
      await rm(file, { force: true });
      const handle = await open(file, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return true;
    },
    holds: (taken) => taken,
  });
  return () => rm(file, { force: true });
}
