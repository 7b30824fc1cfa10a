// SPDX-License-Identifier: Apache-2.0
// Runs of schedules that are over though no EtcdBackup shows it: skipped, missed, or made a moment ago.

/** A run that was given up. */
export interface LeftOut {
  readonly run: Date;
  /** A sentence. */
  readonly why: string;
}

export class ScheduleMemory {
  readonly #handled = new Map<string, { readonly run: Date; readonly why?: string }>();

  get(clusterUid: string, schedule: string): Date | undefined {
    return this.#handled.get(`${clusterUid}/${schedule}`)?.run;
  }

  /** `undefined` if the latest run was made. */
  leftOut(clusterUid: string, schedule: string): LeftOut | undefined {
    const { run, why } = this.#handled.get(`${clusterUid}/${schedule}`) ?? {};
    return run === undefined || why === undefined ? undefined : { run, why };
  }

  /** `why`: for a run that is left out. */
  set(clusterUid: string, schedule: string, run: Date, why?: string): void {
    this.#handled.set(`${clusterUid}/${schedule}`, { run, ...(why === undefined ? {} : { why }) });
  }

  keepOnly(clusterUids: ReadonlySet<string>): void {
    for (const key of this.#handled.keys())
      if (!clusterUids.has(key.slice(0, key.indexOf('/')))) this.#handled.delete(key);
  }
}
