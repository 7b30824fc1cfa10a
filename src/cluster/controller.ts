// SPDX-License-Identifier: Apache-2.0
// The EtcdCluster controller: observe, plan, act, and say in status what was seen.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { LABELS, memberHost } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import { EtcdError } from '../etcd/errors.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { KubeClient } from '../runtime/client.ts';
import { isNamespaceGoing, KubeError } from '../runtime/errors.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { KubeObject } from '../runtime/json.ts';
import {
  type Key,
  type Manager,
  type Outcome,
  type ReconcileContext,
  source,
  statusOnly,
  type WatchedStore,
} from '../runtime/manager.ts';
import {
  configMaps,
  networkPolicies,
  type Pod,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  services,
  statefulSets,
} from '../runtime/resources.ts';
import type { KeyPool } from '../tls/keys.ts';
import { type ActorDeps, act } from './act.ts';
import { finalizerDue, finishDeletion, updateFinalizer } from './deletion.ts';
import { isLasting, REFUSALS } from './failures.ts';
import type { Identity } from './identity.ts';
import { type ObserverDeps, observe, withEtcd } from './observe.ts';
import type { ClusterStores } from './observechildren.ts';
import type { Observed } from './observed.ts';
import { OwnWrites } from './ownwrites.ts';
import { type Plan, plan, planObjects } from './plan.ts';
import { authoritySecretName } from './render/certificates.ts';
import { isWell } from './rules/health.ts';
import type { Finding } from './rules/rule.ts';
import { SecretReader } from './secrets.ts';
import { type BackupStatus, deriveStatus, failedStatus, invalidStatus, unseenStatus } from './status.ts';
import { StatusWriter } from './statuswriter.ts';

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
/** Between looks at members that are about to start; at a cluster that does not serve; at one that does. */
const FORMING_MS = 150;
const TROUBLED_MS = 1_000;
const STEADY_MS = 20_000;

/** Members that have not started after this long wait for something: to look often does not help them, and disturbs others. */
const SOON_MS = 60_000;

/** Between looks at a cluster whose namespace is being deleted: what disappears there cannot be put back. */
const GOING_MS = 5_000;

/** Between two reports of how far the forming has come. */
const SAY_MS = 5_000;

/** Selects every object that we make, in all watched namespaces. */
export const CHILD_SELECTOR = `${LABELS.cluster},app.kubernetes.io/managed-by=quorate`;

export class ClusterController {
  readonly #deps: ClusterControllerDeps;
  readonly #stores: ClusterStores;
  readonly #own = new OwnWrites();
  readonly #secrets: SecretReader;
  readonly #remembered = new Map<string, Identity>();
  readonly #statuses: StatusWriter;
  readonly #observer: ObserverDeps & ActorDeps;
  /** Errors that status tells already. */
  readonly #told = new WeakSet<Error>();

  constructor(deps: ClusterControllerDeps) {
    this.#deps = deps;
    this.#secrets = new SecretReader(deps.client);
    this.#statuses = new StatusWriter(deps.client);
    const { manager } = deps;
    const follow = <T extends KubeObject>(resource: Resource<T>, store: WatchedStore<T>): WatchedStore<T> => {
      store.onChange((change) => this.#own.shown(resource, change));
      return store;
    };
    const watch = <T extends KubeObject>(resource: Resource<T>) =>
      follow(resource, manager.watch(resource, { labelSelector: CHILD_SELECTOR }));
    const children = {
      configMaps: watch(configMaps),
      services: watch(services),
      claims: watch(persistentVolumeClaims),
      statefulSets: watch(statefulSets),
      budgets: watch(podDisruptionBudgets),
      networkPolicies: watch(networkPolicies),
    };
    follow(etcdClusters, deps.clusters);
    follow(pods, deps.pods);
    this.#stores = { ...children, pods: deps.pods };
    this.#observer = {
      ...deps,
      stores: this.#stores,
      secrets: this.#secrets,
      own: this.#own,
      remembered: this.#remembered,
    };
    const owner = (o: KubeObject): Key[] => [keyOf(o, o.metadata.labels?.[LABELS.cluster] ?? '')];
    const sources = [
      source(deps.clusters, (c) => [keyOf(c, c.metadata.name)]),
      source(deps.pods, owner),
      source(children.configMaps, owner),
      source(children.services, owner),
      source(children.claims, owner),
      source(children.statefulSets, owner, statusOnly),
      source(children.budgets, owner, statusOnly),
      source(children.networkPolicies, owner),
    ];
    manager.controller({
      name: 'cluster',
      workers: 16,
      resyncMs: 300_000,
      sources,
      reconcile: (key, ctx) => this.#reconcile(key, ctx),
      blind: (key, ctx) => this.#blind(key, ctx),
    });
  }

  async #blind(key: Key, ctx: ReconcileContext): Promise<void> {
    const cluster = this.#deps.clusters.get(key);
    if (cluster === undefined) return;
    await this.#statuses.write(cluster, (c) => unseenStatus(c, ctx.refused ?? '', new Date()), ctx.signal);
  }

  async #reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome> {
    const cached = this.#deps.clusters.get(key);
    const known = this.#own.newest(etcdClusters, key, cached);
    if (cached === undefined || known === undefined) {
      this.#forget(key);
      return undefined;
    }
    const cluster = this.#statuses.newest(known);
    if (cluster.metadata.deletionTimestamp !== undefined) {
      return finishDeletion(this.#deps.client, cluster, ctx.signal);
    }
    const spec = effectiveSpec(cluster);
    if (!spec.ok) {
      await this.#statuses.write(cluster, (c) => invalidStatus(c, spec, new Date()), ctx.signal);
      return { requeueAfterMs: STEADY_MS };
    }
    if (finalizerDue(cluster)) {
      this.#own.note(etcdClusters, await updateFinalizer(this.#deps.client, cluster, ctx.signal));
      return { requeueAfterMs: 0 };
    }
    try {
      return await this.#converge(cluster, spec.spec, ctx);
    } catch (e) {
      await this.#confess(cluster, e, ctx);
      throw e;
    }
  }

  async #converge(cluster: EtcdCluster, spec: EffectiveCluster, ctx: ReconcileContext): Promise<Outcome> {
    const deps = this.#observer;
    const done = new Map<string, number>();
    for (let step = 0; step < MAX_STEPS; step += 1) {
      ctx.step = undefined;
      const began = performance.now();
      let observed = await observe(deps, cluster, spec, ctx.signal);
      let planned = planObjects(observed);
      if (planned.step === undefined) {
        observed = await withEtcd(deps, observed, ctx.signal);
        planned = plan(observed);
      }
      if (planned.step === undefined) return this.#settle(observed, planned, performance.now() - began, ctx);
      const { action, reason, message, event } = planned.step;
      const again = (done.get(message) ?? 0) + 1;
      done.set(message, again);
      if (again > MAX_REPEATS) return this.#fruitless(observed, planned, ctx);
      ctx.log.info({ step: action, reason }, message);
      ctx.step = action;
      try {
        await act(deps, observed, planned.step, ctx.signal);
      } catch (e) {
        if (isNamespaceGoing(e)) return { requeueAfterMs: STEADY_MS, gatherMs: GOING_MS };
        await this.#report(await withEtcd(deps, observed, ctx.signal).catch(() => observed), planned, e, ctx);
        throw e;
      }
      if (event === true) this.#deps.events.emit(cluster, { type: 'Normal', reason, action, message });
    }
    throw new Error(`no plan settled within ${MAX_STEPS} steps`);
  }

  async #settle(o: Observed, planned: Plan, tookMs: number, ctx: ReconcileContext): Promise<Outcome> {
    const forming = o.identity !== undefined && o.identity.phase !== 'Formed';
    const news = planned.findings.some((f) => f.kind !== 'progress');
    if (!forming || news || performance.now() - this.#statuses.writtenAt(o.cluster) > SAY_MS) {
      await this.#say(o, planned, ctx);
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

  /** Somebody changes it back at once, as an admission policy does. The members are looked at all the same. */
  async #fruitless(o: Observed, planned: Plan, ctx: ReconcileContext): Promise<Outcome> {
    const seen = await withEtcd(this.#observer, o, ctx.signal);
    const message = `${planned.step?.message}: done, and undone at once by somebody, such as an admission policy`;
    await this.#say(seen, { step: undefined, findings: [{ kind: 'blocked', reason: 'Undone', message }] }, ctx);
    return { requeueAfterMs: STEADY_MS };
  }

  /** Nothing that goes on failing may be silent: a mistake of ours, an object that nobody can read, a right that is missing. */
  async #confess(cluster: EtcdCluster, error: unknown, ctx: ReconcileContext): Promise<void> {
    const known = error instanceof EtcdError || (error instanceof KubeError && error.code === 'Fenced');
    const told = error instanceof Error && this.#told.has(error);
    if (known || told || ctx.signal.aborted || !isLasting(error, failingMs(ctx))) return;
    const derive = (c: EtcdCluster) => failedStatus(c, error, new Date());
    await this.#statuses.write(cluster, derive, ctx.signal).catch((e: unknown) => {
      ctx.log.warn({ err: String(e) }, 'the failure could not be written to status');
    });
  }

  /** A write that was refused, or goes on failing, is a finding like any other; the step is tried again with back-off. */
  async #report(o: Observed, planned: Plan, error: unknown, ctx: ReconcileContext): Promise<void> {
    if (!(error instanceof KubeError) || error.code === 'Fenced') return;
    if (!(error.code in REFUSALS) && !isLasting(error, failingMs(ctx))) return;
    const message = `${planned.step?.message ?? ''}: ${error.message}`;
    const finding: Finding = { kind: 'blocked', reason: REFUSALS[error.code] ?? 'ReconcileFailed', message };
    this.#told.add(error);
    await this.#say(o, { step: undefined, findings: [finding, ...planned.findings] }, ctx);
  }

  async #say(o: Observed, planned: Plan, ctx: ReconcileContext): Promise<void> {
    const unseen: Finding[] =
      ctx.refused === undefined ? [] : [{ kind: 'blocked', reason: 'Refused', message: ctx.refused }];
    const findings = [...unseen, ...planned.findings];
    const before = readyOf(this.#statuses.newest(o.cluster));
    const derive = (cluster: EtcdCluster) =>
      deriveStatus({ ...o, cluster }, findings, this.#deps.backupStatus(cluster));
    const written = await this.#statuses.write(o.cluster, derive, ctx.signal);
    const after = readyOf(this.#statuses.newest(o.cluster));
    const blocked = findings.some((f) => f.kind === 'blocked');
    // Waiting is shown by the conditions; an Event is for what was reached, and for what needs somebody.
    if (!written || after === undefined || after.reason === before?.reason || !(blocked || after.status === 'True'))
      return;
    const type = blocked ? 'Warning' : 'Normal';
    this.#deps.events.emit(o.cluster, { type, reason: after.reason, action: 'Reconcile', message: after.message });
  }

  #forget(key: Key): void {
    this.#secrets.forgetCluster(key.namespace, key.name);
    this.#own.forgetCluster(key.namespace, key.name);
    this.#statuses.forget(key);
    const living = new Set(this.#deps.clusters.list().map((c) => c.metadata.uid as string));
    for (const uid of this.#remembered.keys()) if (!living.has(uid)) this.#remembered.delete(uid);
    const serving = new Set(
      this.#stores.pods.list().map((p) => memberHost(p.metadata.name, p.metadata.namespace as string)),
    );
    this.#deps.etcd.prune((serverName) => serving.has(serverName));
  }
}

const readyOf = (c: EtcdCluster) => c.status?.conditions?.find(({ type }) => type === 'Ready');

const failingMs = ({ failingSince }: ReconcileContext): number | undefined =>
  failingSince === undefined ? undefined : performance.now() - failingSince;

const ageMs = ({ metadata }: KubeObject, now: Date): number =>
  now.getTime() - Date.parse(metadata.creationTimestamp ?? '');

const keyOf = (o: KubeObject, name: string): Key => ({ namespace: o.metadata.namespace as string, name });
