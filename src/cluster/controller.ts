// SPDX-License-Identifier: Apache-2.0
// The EtcdCluster controller: observe, plan, act, and say in status what was seen.
import type { EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { FINALIZERS, memberHost } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import { EtcdError } from '../etcd/errors.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { KubeClient } from '../runtime/client.ts';
import { isNamespaceGoing, KubeError } from '../runtime/errors.ts';
import type { EventRecorder } from '../runtime/events.ts';
import { failingMs, isLasting } from '../runtime/failing.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { Key, Manager, Outcome, ReconcileContext, WatchedStore } from '../runtime/manager.ts';
import type { Pod } from '../runtime/resources.ts';
import type { KeyPool } from '../tls/keys.ts';
import { type ActorDeps, act } from './act.ts';
import { finalizerDue, finishDeletion, updateFinalizer } from './deletion.ts';
import { failureAmong, failureOf, type Held, heldBy, isAnswered, isConflict, refusal, undone } from './held.ts';
import { deletingStatus, failedStatus, invalidStatus, unseenStatus } from './heldstatus.ts';
import type { Identity } from './identity.ts';
import { formedWith, type Meant, type ObserverDeps, observe, withEtcd } from './observe.ts';
import type { ClusterStores } from './observechildren.ts';
import type { Observed } from './observed.ts';
import { OwnWrites } from './ownwrites.ts';
import { objectStep, plan, worstFirst } from './plan.ts';
import { RefusedPods } from './refusedpods.ts';
import { authoritySecretName, clientSecretNames } from './render/certificates.ts';
import { isWell } from './rules/health.ts';
import type { Finding, Step } from './rules/rule.ts';
import { SecretReader } from './secrets.ts';
import { standingSpec } from './standing.ts';
import { type BackupStatus, clientSecrets, deriveStatus } from './status.ts';
import { StatusWriter } from './statuswriter.ts';
import { watchAll } from './watches.ts';

export interface ClusterControllerDeps {
  readonly manager: Manager;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly etcd: ClientPool;
  readonly keys: KeyPool;
  readonly clusters: WatchedStore<EtcdCluster>;
  readonly pods: WatchedStore<Pod>;
  readonly operatorNamespace: string;
  /** What the backup policy has to say in the cluster's status. */
  backupStatus(cluster: EtcdCluster): BackupStatus | undefined;
}

/** Steps in one pass; a plan that never settles is a mistake of ours and must not spin. */
const MAX_STEPS = 40;
/** The same step in one pass, before somebody else must be undoing it. */
const MAX_REPEATS = 4;
/**
 * Between looks at members that are about to start; at a cluster that does not serve; at one that does, of which twelve fit
 * between two readings of its Secrets. With the 4.5 s that a look may take, `Available` is never older than 30 s.
 */
const FORMING_MS = 150;
const TROUBLED_MS = 1_000;
const STEADY_MS = 24_800;

/** Members that have not started after this long wait for something: to look often does not help them, and disturbs others. */
const SOON_MS = 60_000;

/** Between looks at a cluster whose namespace is being deleted: what disappears there cannot be put back. */
const GOING_MS = 5_000;

const POLICY = 'spec.storage.retentionPolicy';

/** Between two reports of how far the forming has come. */
const SAY_MS = 5_000;

export class ClusterController {
  readonly #deps: ClusterControllerDeps;
  readonly #stores: ClusterStores;
  readonly #own = new OwnWrites();
  readonly #secrets: SecretReader;
  readonly #remembered = new Map<string, Identity>();
  readonly #statuses: StatusWriter;
  readonly #observer: ObserverDeps & ActorDeps;
  /** UIDs of clusters whose status may have been written though nobody said so. */
  readonly #untold = new Set<string>();
  /** Errors that status tells already. */
  readonly #told = new WeakSet<Error>();

  constructor(deps: ClusterControllerDeps) {
    this.#deps = deps;
    this.#secrets = new SecretReader(deps.client);
    this.#statuses = new StatusWriter(deps.client);
    const { stores, sources } = watchAll(deps, this.#own);
    this.#stores = stores;
    this.#observer = {
      ...deps,
      stores: this.#stores,
      secrets: this.#secrets,
      own: this.#own,
      remembered: this.#remembered,
      refusedPods: new RefusedPods(deps.client),
    };
    deps.manager.controller({
      name: 'cluster',
      workers: 16,
      // What fails goes on failing no longer than a look would take: it is one as well.
      backoff: { firstMs: 200, maxMs: STEADY_MS },
      resyncMs: 300_000,
      sources,
      reconcile: (key, ctx) => this.#reconcile(key, ctx),
      blind: (key, ctx) => this.#blind(key, ctx),
    });
  }

  async #blind(key: Key, ctx: ReconcileContext): Promise<void> {
    const cluster = this.#deps.clusters.get(key);
    if (cluster === undefined) return;
    await this.#tell(cluster, (c) => unseenStatus(c, ctx.refused ?? '', new Date()), ctx);
  }

  async #reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome> {
    const cached = this.#deps.clusters.get(key);
    const known = this.#own.newest(etcdClusters, key, cached);
    if (cached === undefined || known === undefined) {
      this.#forget(key);
      return undefined;
    }
    const cluster = this.#statuses.newest(known);
    try {
      if (cluster.metadata.deletionTimestamp !== undefined) return await this.#finish(cluster, ctx);
      const beside: Finding[] = [];
      if (finalizerDue(cluster)) {
        const answer = await updateFinalizer(this.#deps.client, cluster, ctx.signal);
        this.#own.note(etcdClusters, answer);
        if (!finalizerDue(answer)) return { requeueAfterMs: 0 };
        // Without it the claims stay, which loses nothing.
        beside.push(undone(`setting the finalizer ${FINALIZERS.claims} as ${POLICY} asks`));
      }
      const meant = await this.#meant(cluster, ctx);
      return meant === undefined ? { requeueAfterMs: STEADY_MS } : await this.#converge(cluster, meant, beside, ctx);
    } catch (e) {
      await this.#confess(cluster, e, ctx);
      throw e;
    }
  }

  /** One pass of the deletion; what keeps the cluster is told. */
  async #finish(cluster: EtcdCluster, ctx: ReconcileContext): Promise<Outcome> {
    const outcome = await finishDeletion(this.#deps.client, cluster, ctx.signal);
    const others = (cluster.metadata.finalizers ?? []).filter((f) => f !== FINALIZERS.claims);
    const waitsFor = outcome?.waitsFor ?? (others.length > 0 ? `the finalizers ${others.join(', ')} to go` : undefined);
    if (waitsFor !== undefined) await this.#tell(cluster, (c) => deletingStatus(c, waitsFor, new Date()), ctx);
    return outcome;
  }

  /** The spec; where it cannot be meant, that is told, and a formed cluster goes on as it was formed. */
  async #meant(cluster: EtcdCluster, ctx: ReconcileContext): Promise<Meant | undefined> {
    const made = effectiveSpec(cluster);
    if (made.ok) return { spec: made.spec, specFailure: undefined };
    const formation = await formedWith(this.#observer, cluster, ctx.signal);
    const spec = formation && standingSpec(cluster, formation);
    if (spec !== undefined) return { spec, specFailure: made };
    await this.#tell(cluster, (c) => invalidStatus(c, made, new Date()), ctx);
    return undefined;
  }

  /** `beside`: what is to be told whatever becomes of the cluster. */
  async #converge(
    cluster: EtcdCluster,
    meant: Meant,
    beside: readonly Finding[],
    ctx: ReconcileContext,
  ): Promise<Outcome> {
    const deps = this.#observer;
    const done = new Map<string, number>();
    const held: Held[] = [];
    const isHeld = heldBy(held);
    for (let count = 0; count < MAX_STEPS; count += 1) {
      ctx.step = undefined;
      // What was asked for has changed meanwhile, and that is queued: no further step for what was asked for before.
      const { uid, generation } = this.#deps.clusters.get(cluster.metadata)?.metadata ?? {};
      if (uid !== cluster.metadata.uid || generation !== cluster.metadata.generation)
        return { requeueAfterMs: TROUBLED_MS };
      const began = performance.now();
      let observed = await observe(deps, cluster, meant, ctx.signal);
      let step = objectStep(observed, isHeld);
      if (step === undefined) {
        observed = await withEtcd(deps, observed, ctx.signal);
        const planned = plan(observed, isHeld);
        if (planned.step === undefined) {
          const findings = [...beside, ...planned.findings];
          if (held.length > 0) return this.#endure(observed, held, findings, ctx);
          return this.#settle(observed, findings, performance.now() - began, ctx);
        }
        step = planned.step;
      }
      const { action, reason, message, event } = step;
      const again = (done.get(message) ?? 0) + 1;
      done.set(message, again);
      if (again > MAX_REPEATS) {
        held.push({ step, finding: undone(message) });
        if (mayGoOn(observed)) continue;
        return this.#giveUp(observed, held, beside, ctx);
      }
      ctx.log.info({ step: action, reason }, message);
      ctx.step = action;
      try {
        await this.#announce(observed, step, ctx);
        await act(deps, observed, step, ctx.signal);
      } catch (e) {
        if (isNamespaceGoing(e)) return { requeueAfterMs: STEADY_MS, gatherMs: GOING_MS };
        // How long this step has failed is not known if it is not the first one.
        const finding = failureOf(step, e, held.length === 0 || !isConflict(e) ? failingMs(ctx) : undefined);
        held.push({ step, finding, error: e });
        if (finding === undefined && held.length === 1) throw e;
        if (finding !== undefined && isAnswered(e) && mayGoOn(observed)) continue;
        return this.#giveUp(observed, held, beside, ctx);
      }
      if (event === true) this.#deps.events.emit(cluster, { type: 'Normal', reason, action, message });
    }
    throw new Error(`no plan settled within ${MAX_STEPS} steps`);
  }

  async #settle(o: Observed, findings: readonly Finding[], tookMs: number, ctx: ReconcileContext): Promise<Outcome> {
    const forming = o.identity !== undefined && o.identity.phase !== 'Formed';
    const news = findings.some((f) => f.kind !== 'progress');
    if (!forming || news || performance.now() - this.#statuses.writtenAt(o.cluster) > SAY_MS) {
      await this.#say(o, findings, ctx);
    }
    // A look that took long says that the machine is busy: looking more often would only take from the members' share.
    if (forming) {
      const pauseMs = Math.min(TROUBLED_MS, Math.max(FORMING_MS, 2 * tookMs));
      const soon = !news && o.pods.some((p) => p.status?.podIP !== undefined && ageMs(p, o.now) < SOON_MS);
      if (soon) this.#deps.keys.pause();
      return { requeueAfterMs: soon ? pauseMs : TROUBLED_MS, gatherMs: pauseMs / 2 };
    }
    const healthy = o.quorum.read && o.members.every(isWell);
    return { requeueAfterMs: healthy ? this.#steadyMs(o) : TROUBLED_MS };
  }

  /** Until the members are asked again, a Secret is to be read, or a write that the watch does not show is given up. */
  #steadyMs({ cluster, authorities, secrets }: Observed): number {
    const { name, namespace = '' } = cluster.metadata;
    const names = [...authorities.map((a) => authoritySecretName(cluster, a.side)), ...secrets.map((s) => s.need.name)];
    return Math.min(STEADY_MS, this.#secrets.dueInMs(namespace, names), this.#own.dueInMs(namespace, name));
  }

  /** The members are looked at all the same; if not even that can be done, the next try tells. */
  async #giveUp(
    o: Observed,
    held: readonly Held[],
    beside: readonly Finding[],
    ctx: ReconcileContext,
  ): Promise<Outcome> {
    const seen = await withEtcd(this.#observer, o, ctx.signal).catch((e: unknown) => {
      throw failureAmong(held) ?? e;
    });
    return this.#endure(seen, held, [...beside, ...plan(seen, heldBy(held)).findings], ctx);
  }

  /** Says which steps have to wait for somebody; what failed is tried again with back-off. */
  async #endure(
    o: Observed,
    held: readonly Held[],
    findings: readonly Finding[],
    ctx: ReconcileContext,
  ): Promise<Outcome> {
    const failure = failureAmong(held);
    if (failure instanceof Error) this.#told.add(failure);
    await this.#say(o, [...held.flatMap((h) => h.finding ?? []), ...findings], ctx);
    if (failure !== undefined) throw failure;
    return { requeueAfterMs: STEADY_MS };
  }

  /** Nothing that goes on failing may be silent: a mistake of ours, an object that nobody can read, a right that is missing. */
  async #confess(cluster: EtcdCluster, error: unknown, ctx: ReconcileContext): Promise<void> {
    const known = error instanceof EtcdError || (error instanceof KubeError && error.code === 'Fenced');
    const told = error instanceof Error && this.#told.has(error);
    if (known || told || ctx.signal.aborted || !isLasting(error, failingMs(ctx))) return;
    const derive = (c: EtcdCluster) => failedStatus(c, error, new Date());
    await this.#tell(cluster, derive, ctx).catch((e: unknown) => {
      ctx.log.warn({ err: String(e) }, 'the failure could not be written to status');
    });
  }

  /** A client's Secret is named before it is made: whoever dies in between leaves none behind that nobody knows of. */
  async #announce(o: Observed, step: Step, ctx: ReconcileContext): Promise<void> {
    const names = clientSecretNames(o.cluster, o.spec);
    const made = 'secrets' in step ? step.secrets.filter((s) => s.secret === undefined) : [];
    if (!made.some((s) => names.includes(s.need.name))) return;
    const derive = (c: EtcdCluster): EtcdClusterStatus => ({
      ...(c.status ?? { observedGeneration: -1, conditions: [] }),
      clientSecrets: clientSecrets({ ...o, cluster: c }),
    });
    await this.#tell(o.cluster, derive, ctx);
  }

  async #say(o: Observed, told: readonly Finding[], ctx: ReconcileContext): Promise<void> {
    const unseen = ctx.refused === undefined ? [] : [refusal({ code: 'Forbidden', message: ctx.refused }, ctx.refused)];
    const findings = worstFirst([...unseen, ...told]);
    const derive = (cluster: EtcdCluster) =>
      deriveStatus({ ...o, cluster }, findings, this.#deps.backupStatus(cluster));
    await this.#tell(o.cluster, derive, ctx);
  }

  /** Writes status. Waiting is shown by the conditions; an Event is for what was reached, and for what needs somebody. */
  async #tell(cluster: EtcdCluster, derive: (c: EtcdCluster) => EtcdClusterStatus, ctx: ReconcileContext) {
    const uid = cluster.metadata.uid as string;
    const before = standingOf(this.#statuses.newest(cluster));
    const written = await this.#statuses.write(cluster, derive, ctx.signal).catch((e: unknown) => {
      if (e instanceof KubeError && ['Timeout', 'Unavailable'].includes(e.code)) this.#untold.add(uid);
      throw e;
    });
    const { ready, stalled } = standingOf(this.#statuses.newest(cluster));
    const news = written && (ready?.reason !== before.ready?.reason || stalled !== before.stalled);
    if (!(this.#untold.delete(uid) || news) || ready === undefined || !(stalled || ready.status === 'True')) return;
    const type = stalled ? 'Warning' : 'Normal';
    this.#deps.events.emit(cluster, { type, reason: ready.reason, action: 'Reconcile', message: ready.message });
  }

  #forget(key: Key): void {
    this.#secrets.forgetCluster(key.namespace, key.name);
    this.#own.forgetCluster(key.namespace, key.name);
    this.#statuses.forget(key);
    const living = new Set(this.#deps.clusters.list().map((c) => c.metadata.uid as string));
    for (const known of [this.#remembered, this.#untold])
      for (const uid of known.keys()) if (!living.has(uid)) known.delete(uid);
    const serving = new Set(
      this.#stores.pods.list().map((p) => memberHost(p.metadata.name, p.metadata.namespace as string)),
    );
    this.#deps.etcd.prune((serverName) => serving.has(serverName));
  }
}

function standingOf({ status }: EtcdCluster) {
  const of = (name: string) => status?.conditions?.find(({ type }) => type === name);
  return { ready: of('Ready'), stalled: of('Stalled')?.status === 'True' };
}

/** A formed cluster needs no order of its parts: what cannot be done does not keep the rest from being put back. */
const mayGoOn = ({ identity }: Observed): boolean => identity?.phase === 'Formed';

const ageMs = ({ metadata }: KubeObject, now: Date): number =>
  now.getTime() - Date.parse(metadata.creationTimestamp ?? '');
