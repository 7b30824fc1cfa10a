// SPDX-License-Identifier: Apache-2.0
// Runs of schedules that are over though no EtcdBackup shows it: skipped, missed, or made a moment ago.

export class ScheduleMemory {
  readonly #handled = new Map<string, Date>();

  get(clusterUid: string, schedule: string): Date | undefined {
    return this.#handled.get(`${clusterUid}/${schedule}`);
  }

  set(clusterUid: string, schedule: string, run: Date): void {
    this.#handled.set(`${clusterUid}/${schedule}`, run);
  }

  keepOnly(clusterUids: ReadonlySet<string>): void {
    for (const key of this.#handled.keys())
      if (!clusterUids.has(key.slice(0, key.indexOf('/')))) this.#handled.delete(key);
  }
}
