// SPDX-License-Identifier: Apache-2.0
// Makes the EtcdBackups of a cluster's schedules when they are due, and clears away the oldest ones.
import type { EtcdBackup } from '../../api/backup.ts';
import type { EtcdCluster } from '../../api/cluster.ts';
import { effectiveSpec } from '../../api/effective.ts';
import { API_VERSION } from '../../api/names.ts';
import { etcdBackups } from '../../api/resources.ts';
import type { KubeClient } from '../../runtime/client.ts';
import { KubeError } from '../../runtime/errors.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import type { KubeObject } from '../../runtime/json.ts';
import {
  type Key,
  type Manager,
  type Outcome,
  type ReconcileContext,
  source,
  type WatchedStore,
} from '../../runtime/manager.ts';
import { all, create } from '../../runtime/writes.ts';
import { BACKUP_ANNOTATIONS, backupLabels, isOf, scheduledName } from '../marks.ts';
import { outdated } from './history.ts';
import type { ScheduleMemory } from './memory.ts';
import { type ScheduleView, viewSchedules } from './view.ts';

export interface ScheduleControllerDeps {
  readonly manager: Manager;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly backups: WatchedStore<EtcdBackup>;
  readonly clusters: WatchedStore<EtcdCluster>;
  readonly memory: ScheduleMemory;
  /** The status of the cluster has news. */
  clusterChanged(key: Key): void;
}

/** Timers count on a clock of their own: when the wall clock jumps, this is how late it is noticed at most. */
const LOOK_AGAIN_MS = 300_000;
/** Just past the second, so that a run is due when the timer fires. */
const MARGIN_MS = 20;
/** After so many milliseconds a failure that may pass is told too. */
const CONFESS_MS = 15_000;

export class ScheduleController {
  readonly #deps: ScheduleControllerDeps;

  constructor(deps: ScheduleControllerDeps) {
    this.#deps = deps;
    deps.manager.controller({
      name: 'backup-schedule',
      workers: 2,
      sources: [
        source(deps.clusters, (c) => (c.spec.backup === undefined ? [] : [keyOf(c, c.metadata.name)])),
        source(deps.backups, (b) => [keyOf(b, b.spec.clusterName)]),
      ],
      reconcile: (k, ctx) => this.#reconcile(k, ctx),
    });
  }

  async #reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome> {
    const { clusters, memory } = this.#deps;
    const cluster = clusters.get(key);
    if (cluster === undefined) {
      memory.keepOnly(new Set(clusters.list().map((c) => c.metadata.uid as string)));
      return undefined;
    }
    if (cluster.metadata.deletionTimestamp !== undefined) return undefined;
    const spec = effectiveSpec(cluster);
    if (!spec.ok || spec.spec.backup === undefined) return undefined;
    const now = new Date();
    // Those of an earlier cluster of the same name tell where its backups are: they are nobody's to count or to clear.
    const mine = this.#deps.backups.list(key.namespace).filter((b) => isOf(cluster, b));
    const views = viewSchedules(cluster, spec.spec.backup, mine, memory, now);
    const cleared = outdated(mine).map((old) => () => this.#clear(old, ctx));
    const followed = views.map((view) => () => this.#follow(cluster, view, ctx));
    // One after the other: a quota may refuse a run for want of the room that clearing makes.
    await all([...cleared, ...followed], 1);
    // A run that was just made or given up has moved its schedule on.
    const after = viewSchedules(cluster, spec.spec.backup, mine, memory, now);
    const next = after.flatMap((v) =>
      v.state.next === undefined ? [] : [v.state.next.getTime() - now.getTime() + MARGIN_MS],
    );
    return next.length === 0 ? undefined : { requeueAfterMs: Math.max(MARGIN_MS, Math.min(...next, LOOK_AGAIN_MS)) };
  }

  async #follow(
    cluster: EtcdCluster,
    { schedule, state, running }: ScheduleView,
    ctx: ReconcileContext,
  ): Promise<void> {
    const { name } = schedule;
    if (state.missed !== undefined) {
      const message = `the run of ${name} at ${state.missed.toISOString()} was missed by more than an hour; the next one comes at its time`;
      this.#giveUp(cluster, name, state.missed, { reason: 'BackupMissed', message });
    }
    if (state.due === undefined) return;
    if (running !== undefined) {
      const message = `the run of ${name} at ${state.due.toISOString()} is left out: ${running} of the same schedule is not finished`;
      this.#giveUp(cluster, name, state.due, { reason: 'BackupSkipped', message });
      return;
    }
    await this.#make(cluster, name, state.due, ctx).catch((e: unknown) => {
      this.#confess(cluster, `the run of ${name} at ${state.due?.toISOString()} cannot be made`, e, ctx);
      throw e;
    });
  }

  /** It is tried again with back-off; a quota, a policy or a lost right would otherwise stop backups in silence. */
  #confess(cluster: EtcdCluster, what: string, e: unknown, ctx: ReconcileContext): void {
    if (!(e instanceof KubeError) || e.code === 'Fenced') return;
    const failingMs = ctx.failingSince === undefined ? 0 : performance.now() - ctx.failingSince;
    if (e.class !== 'terminal' && failingMs < CONFESS_MS) return;
    this.#warn(cluster, { reason: 'BackupRefused', message: `${what}: ${e.message}` });
  }

  #giveUp(cluster: EtcdCluster, schedule: string, run: Date, why: { reason: string; message: string }): void {
    this.#handled(cluster, schedule, run, why.message);
    this.#warn(cluster, why);
  }

  #warn(cluster: EtcdCluster, why: { reason: string; message: string }): void {
    const regarding = { ...cluster, apiVersion: API_VERSION, kind: 'EtcdCluster' };
    this.#deps.events.emit(regarding, { type: 'Warning', action: 'Schedule', ...why });
  }

  #handled(cluster: EtcdCluster, schedule: string, run: Date, why?: string): void {
    this.#deps.memory.set(cluster.metadata.uid as string, schedule, run, why);
    this.#deps.clusterChanged({ namespace: cluster.metadata.namespace as string, name: cluster.metadata.name });
  }

  /** The name says which run it is, so that it is made once, whoever died in between. */
  async #make(cluster: EtcdCluster, schedule: string, due: Date, ctx: ReconcileContext): Promise<void> {
    const base = scheduledName(cluster.metadata.name, schedule, due);
    // `a-b` with schedule `c` and `a` with schedule `b-c` would make the same name: the second one adds its UID.
    for (const name of [base, `${base}-${(cluster.metadata.uid as string).slice(0, 8)}`]) {
      const backup = renderBackup(cluster, schedule, due, name);
      const made = await create(this.#deps, etcdBackups, backup, ctx.signal);
      if (made.spec.clusterName !== cluster.metadata.name || made.spec.schedule !== schedule) continue;
      ctx.log.info({ step: 'CreateBackup', backup: name, schedule }, 'a scheduled backup is made');
      this.#handled(cluster, schedule, due);
      return;
    }
    throw new Error(`the names for the run of ${schedule} at ${due.toISOString()} are taken`);
  }

  async #clear(old: EtcdBackup, ctx: ReconcileContext): Promise<void> {
    try {
      await this.#deps.client.delete(etcdBackups, old, { signal: ctx.signal });
      ctx.log.info(
        { step: 'ClearHistory', backup: old.metadata.name },
        'an old EtcdBackup of a schedule is removed; what it stored stays',
      );
    } catch (e) {
      if (!(e instanceof KubeError && e.code === 'Conflict')) throw e;
    }
  }
}

/** No owner: what was backed up is worth knowing most when the cluster is gone. */
function renderBackup(cluster: EtcdCluster, schedule: string, due: Date, name: string): EtcdBackup {
  return {
    metadata: {
      name,
      namespace: cluster.metadata.namespace,
      labels: backupLabels(cluster.metadata.name),
      annotations: { [BACKUP_ANNOTATIONS.scheduledAt]: due.toISOString() },
    },
    spec: { clusterName: cluster.metadata.name, schedule },
  };
}

const keyOf = (o: KubeObject, name: string): Key => ({ namespace: o.metadata.namespace as string, name });
