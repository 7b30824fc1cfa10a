// SPDX-License-Identifier: Apache-2.0
// The EtcdBackup controller: observe, plan, act, and say in status what was seen.
import { isDeepStrictEqual } from 'node:util';
import type { EtcdBackup, EtcdBackupStatus } from '../api/backup.ts';
import type { EtcdCluster } from '../api/cluster.ts';
import { API_VERSION } from '../api/names.ts';
import { etcdBackups } from '../api/resources.ts';
import type { KubeClient } from '../runtime/client.ts';
import { KubeError } from '../runtime/errors.ts';
import type { EventRecorder } from '../runtime/events.ts';
import { failingMs, isLasting, isRefused } from '../runtime/failing.ts';
import type { KubeObject, Ref } from '../runtime/json.ts';
import {
  type Key,
  type Manager,
  type Outcome,
  type ReconcileContext,
  source,
  type WatchedStore,
} from '../runtime/manager.ts';
import { type Job, jobs as jobResource, type Pod } from '../runtime/resources.ts';
import { create } from '../runtime/writes.ts';
import { attemptOf, BACKUP_ANNOTATIONS, jobName } from './marks.ts';
import { observe, ownedBy, readPods, readPolicy } from './observe.ts';
import type { ObservedBackup } from './observed.ts';
import { type BackupPlan, isFinished, planBackup, type Step, type Verdict } from './plan.ts';
import { type JobSettings, renderJob } from './render/job.ts';
import { backupStatus, corruption } from './status.ts';

export interface BackupControllerDeps {
  readonly manager: Manager;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly backups: WatchedStore<EtcdBackup>;
  readonly clusters: WatchedStore<EtcdCluster>;
  readonly jobs: WatchedStore<Job>;
  readonly pods: WatchedStore<Pod>;
  readonly settings: JobSettings | undefined;
  /** The status of the cluster has news. */
  clusterChanged(key: Key): void;
}

interface Asked {
  /** Of the backup. */
  readonly uid: string;
  readonly job: Ref;
  /** Its request has been answered, or given up. */
  settled: boolean;
}

/** Reads and a write at most; a plan that does not settle is a mistake of ours and must not spin. */
const MAX_STEPS = 5;

export class BackupController {
  readonly #deps: BackupControllerDeps;
  /** Per cluster, the newest Job that was asked for: until the cache shows it, no other backup may ask for one. */
  readonly #asked = new Map<string, Asked>();
  /** Errors that status tells already. */
  readonly #told = new WeakSet<Error>();

  constructor(deps: BackupControllerDeps) {
    this.#deps = deps;
    const { manager, backups, clusters, jobs, pods } = deps;
    const unfinished = (namespace: string | undefined, cluster: string): Key[] =>
      backups
        .list(namespace)
        .filter((b) => b.spec.clusterName === cluster && !isFinished(b.status))
        .map(keyOf);
    manager.controller({
      name: 'backup',
      workers: 4,
      resyncMs: 300_000,
      sources: [
        // A backup that ends makes room for the next one of its cluster.
        source(backups, (b) => [keyOf(b), ...unfinished(b.metadata.namespace, b.spec.clusterName)]),
        source(clusters, (c) => unfinished(c.metadata.namespace, c.metadata.name)),
        source(jobs, worksFor),
        source(pods, worksFor),
      ],
      reconcile: (key, ctx) => this.#reconcile(key, ctx),
    });
  }

  async #reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome> {
    const backup = this.#deps.backups.get(key);
    if (backup === undefined || backup.metadata.deletionTimestamp !== undefined || isFinished(backup.status))
      return undefined;
    try {
      return await this.#pass(backup, ctx);
    } catch (e) {
      await this.#confess(backup, e, ctx);
      throw e;
    }
  }

  async #pass(backup: EtcdBackup, ctx: ReconcileContext): Promise<Outcome> {
    const stores = {
      backups: this.#deps.backups,
      clusters: this.#deps.clusters,
      jobs: this.#deps.jobs,
      pods: this.#deps.pods,
    };
    const deps = { client: this.#deps.client, stores, settings: this.#deps.settings };
    let observed = await observe(deps, backup, ctx.signal);
    let created: Job | undefined;
    for (let n = 0; n < MAX_STEPS; n += 1) {
      const planned = planBackup(observed);
      if (planned.step === undefined) return this.#say(observed, planned, created, ctx);
      if (planned.step.action === 'ReadPods') observed = await readPods(deps, observed, ctx.signal);
      else if (planned.step.action === 'ReadPolicy') observed = await readPolicy(deps, observed, ctx.signal);
      else if (planned.step.action === 'ReplaceJob') return this.#replace(observed, planned, planned.step.job, ctx);
      else {
        created = await this.#create(observed, planned.step, ctx);
        if (created === undefined) return { requeueAfterMs: 1_000 };
        observed = { ...observed, jobs: [...observed.jobs, created], pods: [], podsAreLive: false };
      }
    }
    throw new Error(`no plan settled within ${MAX_STEPS} steps`);
  }

  /** `undefined` if it is not the time after all; the next pass judges anew. */
  async #create(
    o: ObservedBackup,
    step: Extract<Step, { action: 'CreateJob' }>,
    ctx: ReconcileContext,
  ): Promise<Job | undefined> {
    const { client } = this.#deps;
    const { metadata, spec } = o.backup;
    const namespace = metadata.namespace as string;
    const uid = metadata.uid as string;
    const lane = `${namespace}/${spec.clusterName}`;
    const held = this.#asked.get(lane);
    if (held !== undefined && held.uid !== uid) {
      if (await this.#isKnown(held, ctx.signal)) this.#asked.delete(lane);
      return undefined;
    }
    const asked = {
      uid,
      job: { namespace, name: jobName({ name: metadata.name, uid }, step.attempt) },
      settled: false,
    };
    this.#asked.set(lane, asked);
    try {
      // The cache may not have seen that this backup is done, gone, or another one by now.
      const live = await client.find(etcdBackups, { namespace, name: metadata.name }, { signal: ctx.signal });
      if (live === undefined || live.metadata.uid !== uid || isFinished(live.status)) return undefined;
      return await this.#post(o, step, ctx);
    } catch (e) {
      await this.#report(o, e, ctx);
      throw e;
    } finally {
      asked.settled = true;
    }
  }

  /** The cache shows the Job, and so that its backup runs; or there is none, so that nothing runs. */
  async #isKnown({ job, settled }: Asked, signal: AbortSignal): Promise<boolean> {
    if (this.#deps.jobs.get(job) !== undefined) return true;
    return settled && (await this.#deps.client.find(jobResource, job, { signal })) === undefined;
  }

  /** Said before it is done: a Job that is found gone without that counts as a lost attempt. */
  async #replace(o: ObservedBackup, planned: BackupPlan, job: Job, ctx: ReconcileContext): Promise<Outcome> {
    const { client } = this.#deps;
    const live = await client.find(jobResource, job.metadata, { signal: ctx.signal });
    // Only the version that was judged: a pod that has started since makes another one of it.
    const same = live?.metadata.resourceVersion === job.metadata.resourceVersion;
    if (same && live?.metadata.deletionTimestamp === undefined) {
      const said = o.backup.status?.replaced?.includes(attemptOf(job.metadata.name)) === true;
      if (!said) await this.#say(o, planned, undefined, ctx);
      try {
        await client.delete(jobResource, job, { signal: ctx.signal });
      } catch (e) {
        // What was said a moment ago is not in `o` yet: it is told at the next pass.
        if (said) await this.#report(o, e, ctx);
        throw e;
      }
    }
    return { requeueAfterMs: 1_000 };
  }

  /** The API server refuses a Job, or its deletion, however often it is asked. */
  async #report(o: ObservedBackup, error: unknown, ctx: ReconcileContext): Promise<void> {
    if (!(error instanceof KubeError && isRefused(error))) return;
    this.#told.add(error);
    const verdict = { kind: 'blocked', reason: 'JobRefused', message: error.message } as const;
    await this.#tell(o.backup, verdict, o.jobs.at(-1), o.now, ctx);
  }

  /** Nothing that goes on failing may be silent: a right that is missing, an object that nobody can read, a mistake of ours. */
  async #confess(backup: EtcdBackup, error: unknown, ctx: ReconcileContext): Promise<void> {
    const fenced = error instanceof KubeError && error.code === 'Fenced';
    const told = error instanceof Error && this.#told.has(error);
    if (fenced || told || ctx.signal.aborted || !isLasting(error, failingMs(ctx))) return;
    // What passes by itself does not take the place of what does not.
    const refused = backup.status?.conditions?.[0]?.reason === 'JobRefused';
    if (refused && error instanceof KubeError && !isRefused(error)) return;
    const why = error instanceof Error ? error.message : String(error);
    const message = `the operator fails on this backup and tries again: ${why}`;
    const verdict = { kind: 'blocked', reason: 'ReconcileFailed', message } as const;
    await this.#tell(backup, verdict, undefined, new Date(), ctx).catch((e: unknown) => {
      ctx.log.warn({ err: String(e) }, 'the failure could not be written to status');
    });
  }

  async #post(o: ObservedBackup, step: Extract<Step, { action: 'CreateJob' }>, ctx: ReconcileContext): Promise<Job> {
    const { attempt, policy } = step;
    const { backup, cluster, spec, settings } = o;
    if (cluster === undefined || spec === undefined || settings === undefined)
      throw new Error('a Job needs a cluster and an image');
    const job = renderJob({ backup, cluster, spec, policy, attempt, settings });
    const { name } = job.metadata;
    ctx.log.info({ step: 'CreateJob', job: name, attempt }, 'the Job of the backup is created');
    const made = await create(this.#deps, jobResource, job, ctx.signal);
    if (!ownedBy(made, backup.metadata.uid as string))
      throw new KubeError('Invalid', `a Job ${name} exists and is not of this backup; rename or delete it`);
    const reason = attempt === 1 ? 'Started' : 'Retried';
    const message = `Job ${name} takes a snapshot of ${backup.spec.clusterName}`;
    this.#deps.events.emit(regarding(backup), { type: 'Normal', reason, action: 'CreateJob', message });
    return made;
  }

  async #say(
    o: ObservedBackup,
    planned: BackupPlan,
    created: Job | undefined,
    ctx: ReconcileContext,
  ): Promise<Outcome> {
    const { verdict } = planned;
    if (verdict === undefined) return undefined;
    await this.#tell(o.backup, verdict, created ?? o.jobs.at(-1), o.now, ctx);
    const again = verdict.kind === 'progress' || verdict.kind === 'blocked' ? verdict.lookAgainMs : undefined;
    return again === undefined ? undefined : { requeueAfterMs: again };
  }

  /** Writes status, and an Event where the reason is new. */
  async #tell(backup: EtcdBackup, verdict: Verdict, job: Job | undefined, now: Date, ctx: ReconcileContext) {
    const status = backupStatus(backup, verdict, job, now);
    const reason = status.conditions[0]?.reason ?? '';
    if (!(await this.#write(backup, status, ctx.signal))) return;
    ctx.log.info({ reason, verdict: verdict.kind }, status.conditions[0]?.message);
    if (backup.status?.conditions?.[0]?.reason !== reason) this.#announce(backup, verdict, status);
    this.#deps.clusterChanged({ namespace: backup.metadata.namespace as string, name: backup.spec.clusterName });
  }

  #announce(backup: EtcdBackup, verdict: Verdict, status: EtcdBackupStatus): void {
    if (verdict.kind === 'progress' && verdict.reason === 'Running') return;
    const [ready] = status.conditions;
    const type = verdict.kind === 'failed' || verdict.kind === 'blocked' ? 'Warning' : 'Normal';
    const event = { type, reason: ready?.reason ?? '', action: 'Backup', message: ready?.message ?? '' } as const;
    this.#deps.events.emit(regarding(backup), event);
    const corrupt = verdict.kind === 'done' ? corruption(verdict.result) : undefined;
    if (corrupt === undefined) return;
    const warning = { type: 'Warning', reason: 'SnapshotCorrupt', action: 'Backup', message: corrupt } as const;
    this.#deps.events.emit(regarding(backup), warning);
  }

  async #write(backup: EtcdBackup, status: EtcdBackupStatus, signal: AbortSignal): Promise<boolean> {
    const wanted = JSON.parse(JSON.stringify(status)) as EtcdBackupStatus;
    if (isDeepStrictEqual(backup.status, wanted)) return false;
    const { name, namespace, uid, resourceVersion } = backup.metadata;
    // The version makes a decision from a stale cache fail: a result that was recorded is never taken back.
    const metadata = {
      name,
      namespace: namespace as string,
      uid: uid as string,
      resourceVersion: resourceVersion as string,
    };
    const object = { apiVersion: API_VERSION, kind: 'EtcdBackup', metadata, status: wanted } as EtcdBackup;
    await this.#deps.client.apply(etcdBackups, object, { subresource: 'status', force: true, signal });
    return true;
  }
}

/** The backup that a Job or a pod works for. */
function worksFor(o: KubeObject): Key[] {
  const name = o.metadata.annotations?.[BACKUP_ANNOTATIONS.backup];
  return name === undefined ? [] : [{ namespace: o.metadata.namespace as string, name }];
}

const keyOf = (o: KubeObject): Key => ({ namespace: o.metadata.namespace as string, name: o.metadata.name });

/** Objects from a list may lack their own kind. */
const regarding = (backup: EtcdBackup): EtcdBackup => ({ ...backup, apiVersion: API_VERSION, kind: 'EtcdBackup' });
