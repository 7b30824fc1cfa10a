// SPDX-License-Identifier: Apache-2.0
// Looks at the world for one cluster: the cache, the Secrets it reads by name, and live etcd.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { childNames, LABELS } from '../api/names.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { KubeClient } from '../runtime/client.ts';
import type { KubeObject } from '../runtime/json.ts';
import {
  type ConfigMap,
  configMaps,
  type Event,
  events,
  type NetworkPolicy,
  networkPolicies,
  type PersistentVolumeClaim,
  type Pod,
  type PodDisruptionBudget,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods as podResource,
  type Resource,
  type Secret,
  type Service,
  type StatefulSet,
  secrets as secretResource,
  services,
} from '../runtime/resources.ts';
import type { Store } from '../runtime/store.ts';
import { certificateFacts, judgeSecret } from './certificates.ts';
import { foreignness } from './foreign.ts';
import {
  claimIdentity,
  decodeIdentity,
  formationOf,
  type Identity,
  IdentityError,
  recoverIdentity,
} from './identity.ts';
import { memoized } from './memo.ts';
import type { AuthorityState, ChildState, Foreign, Observed, Obsolete, SecretState } from './observed.ts';
import type { OwnWrites } from './ownwrites.ts';
import { observeEtcd } from './probe.ts';
import { authoritySecretName, certificateNeeds, type Side, secretText } from './render/certificates.ts';
import { type Child, withoutDropped } from './render/children.ts';
import { renderMemberFiles } from './render/memberfile.ts';
import { renderBudget, renderNetworkPolicies } from './render/policies.ts';
import { renderServices } from './render/services.ts';
import { renderClaims, renderStatefulSet } from './render/statefulset.ts';
import type { SecretReader } from './secrets.ts';

export interface ClusterStores {
  readonly configMaps: Store<ConfigMap>;
  readonly services: Store<Service>;
  readonly claims: Store<PersistentVolumeClaim>;
  readonly pods: Store<Pod>;
  readonly statefulSets: Store<StatefulSet>;
  readonly budgets: Store<PodDisruptionBudget>;
  readonly networkPolicies: Store<NetworkPolicy>;
}

export interface ObserverDeps {
  readonly client: KubeClient;
  readonly stores: ClusterStores;
  readonly secrets: SecretReader;
  readonly own: OwnWrites;
  readonly etcd: ClientPool;
  readonly operatorNamespace: string;
  /** Last good record of each cluster by UID: puts an edited or deleted ConfigMap back exactly. */
  readonly remembered: Map<string, Identity>;
}

/** A missing pod is worth a question to the API only when its StatefulSet had this long to make it. */
const POD_DUE_MS = 2_000;

/**
 * The world without etcd: enough for every rule that makes or mends objects, and not slowed by members that do not
 * answer. `withEtcd` adds them.
 */
export async function observe(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  spec: EffectiveCluster,
  signal: AbortSignal,
): Promise<Observed> {
  const namespace = cluster.metadata.namespace as string;
  const now = new Date();
  const record = await readRecord(deps, cluster, spec, signal);
  const mine = (o: KubeObject): boolean => isOf(cluster, o);
  const claims = deps.own.current(persistentVolumeClaims, deps.stores.claims.list(namespace).filter(mine));
  const pods = deps.own
    .current(podResource, deps.stores.pods.list(namespace).filter(mine))
    .filter((p) => p.metadata.labels?.['app.kubernetes.io/component'] === 'member');
  const base = { now, cluster, spec, claims, pods, ...record };
  const { identity, files } = record;
  const silent = { read: false, clusterId: undefined, members: undefined, error: undefined };
  const nothing = {
    authorities: [],
    secrets: [],
    children: [],
    obsolete: [],
    members: [],
    podsRefused: undefined,
  };
  if (identity === undefined || files === undefined) return { ...base, ...nothing, quorum: silent };
  const children = await readChildren(deps, { cluster, spec, identity }, signal);
  const authorities = await Promise.all(
    (['peer', 'client'] as const).map((side) => readAuthority(deps, cluster, side, signal)),
  );
  const needs = certificateNeeds(cluster, spec, identity, files);
  const secrets = await Promise.all(needs.map((n) => readSecret(deps, { cluster, authorities, now }, n, signal)));
  const obsolete = await readObsolete(deps, cluster, { identity, children, secrets }, signal);
  return { ...base, ...nothing, authorities, secrets, children, obsolete, quorum: silent };
}

const isOf = (cluster: EtcdCluster, o: KubeObject): boolean =>
  o.metadata.labels?.[LABELS.cluster] === cluster.metadata.name;

/** Adds what the members themselves say, and why pods are missing. */
export async function withEtcd(deps: ObserverDeps, o: Observed, signal: AbortSignal): Promise<Observed> {
  const { cluster, identity, files, pods, secrets } = o;
  if (identity === undefined || files === undefined) return o;
  const [etcd, podsRefused] = await Promise.all([
    observeEtcd(deps.etcd, { cluster, identity, files, pods, secrets }, signal),
    whyNoPods(deps, o, identity.members.length, signal),
  ]);
  return { ...o, ...etcd, podsRefused, now: new Date() };
}

type RecordView = Pick<Observed, 'config' | 'configForeign' | 'identity' | 'identityProblem' | 'recovered' | 'files'>;

const recordOf = memoized((config: ConfigMap) => {
  const identity = decodeIdentity(config);
  return { identity, files: renderMemberFiles(identity, config.metadata.namespace as string) };
});

/** The cache may be behind: before anything is decided on a missing record, the ConfigMap and the claims are read live. */
async function readRecord(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  spec: EffectiveCluster,
  signal: AbortSignal,
): Promise<RecordView> {
  const ref = { namespace: cluster.metadata.namespace as string, name: childNames(cluster.metadata.name).config };
  const uid = cluster.metadata.uid as string;
  // A process that has not seen this record yet may hold an old one: a watch can be silent without being noticed.
  const cached = deps.remembered.has(uid)
    ? deps.own.newest(configMaps, ref, deps.stores.configMaps.get(ref))
    : undefined;
  const config = cached ?? (await deps.client.find(configMaps, ref, { signal }));
  if (cached === undefined && config !== undefined) deps.own.note(configMaps, config);
  const configForeign = config === undefined ? undefined : foreignness(config, cluster);
  let identityProblem: string | undefined;
  if (config !== undefined && configForeign === undefined) {
    try {
      const { identity, files } = recordOf(config);
      deps.remembered.set(uid, identity);
      return { config, configForeign, identity, identityProblem, recovered: undefined, files };
    } catch (e) {
      if (!(e instanceof IdentityError)) throw e;
      identityProblem = e.message;
    }
  }
  const unknown = { config, configForeign, identity: undefined, identityProblem, files: undefined };
  const remembered = deps.remembered.get(uid);
  if (remembered !== undefined) {
    return { ...unknown, recovered: { kind: 'identity', from: 'memory', identity: remembered } };
  }
  const labelSelector = `${LABELS.cluster}=${cluster.metadata.name}`;
  const claims = await deps.client.list(
    persistentVolumeClaims,
    { namespace: ref.namespace, labelSelector },
    { signal },
  );
  return { ...unknown, recovered: recoverIdentity(cluster.metadata.name, claims, formationOf(spec)) };
}

async function readAuthority(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  side: Side,
  signal: AbortSignal,
): Promise<AuthorityState> {
  const name = authoritySecretName(cluster, side);
  const secret = await deps.secrets.read(cluster.metadata.namespace as string, name, signal);
  const foreign = secret === undefined ? undefined : foreignness(secret, cluster);
  // It is about to go, or somebody has to take it away: what is remembered would hide that.
  if (foreign !== undefined) deps.secrets.forget(cluster.metadata.namespace as string, name);
  const cert = secret === undefined ? undefined : secretText(secret, 'tls.crt');
  return { side, secret, foreign, cert, ...certificateFacts(secret) };
}

async function readSecret(
  deps: ObserverDeps,
  world: { cluster: EtcdCluster; authorities: readonly AuthorityState[]; now: Date },
  need: SecretState['need'],
  signal: AbortSignal,
): Promise<SecretState> {
  const { cluster, authorities, now } = world;
  const secret: Secret | undefined = await deps.secrets.read(cluster.metadata.namespace as string, need.name, signal);
  const foreign = secret === undefined ? undefined : foreignness(secret, cluster);
  if (foreign !== undefined) deps.secrets.forget(cluster.metadata.namespace as string, need.name);
  const authority = authorities.find((a) => a.side === need.side)?.cert;
  return { need, secret, foreign, ...judgeSecret(secret, need, authority, now) };
}

interface Rendered {
  readonly of: string;
  readonly wanted: readonly Child[];
  /** As last looked at, by kind and name: what has not changed since is not compared again. */
  readonly states: Map<string, ChildState>;
}

const renderings = new WeakMap<Identity, Rendered>();

/** What a cluster wants, worked out once for each record and generation of the spec. */
function rendered(deps: ObserverDeps, cluster: EtcdCluster, spec: EffectiveCluster, identity: Identity): Rendered {
  const of = `${cluster.metadata.uid}/${cluster.metadata.generation}`;
  const known = renderings.get(identity);
  if (known?.of === of) return known;
  const wanted = [
    ...renderClaims(cluster, identity),
    ...renderServices(cluster, spec, identity),
    ...renderBudget(cluster, identity),
    ...renderNetworkPolicies(cluster, spec, deps.operatorNamespace),
    renderStatefulSet(cluster, identity),
  ];
  const fresh = { of, wanted, states: new Map<string, ChildState>() };
  renderings.set(identity, fresh);
  return fresh;
}

async function readChildren(
  deps: ObserverDeps,
  world: { cluster: EtcdCluster; spec: EffectiveCluster; identity: Identity },
  signal: AbortSignal,
): Promise<ChildState[]> {
  const { cluster, spec, identity } = world;
  const { wanted, states } = rendered(deps, cluster, spec, identity);
  const storeOf: Record<string, Store<KubeObject>> = {
    PersistentVolumeClaim: deps.stores.claims,
    Service: deps.stores.services,
    PodDisruptionBudget: deps.stores.budgets,
    NetworkPolicy: deps.stores.networkPolicies,
    StatefulSet: deps.stores.statefulSets,
  };
  const looked = wanted.map(async (child) => {
    const ref = { namespace: cluster.metadata.namespace as string, name: child.desired.metadata.name };
    const shown = deps.own.newest(child.resource, ref, storeOf[child.resource.kind]?.get(ref));
    // A claim that lost its label is in no watch of ours: nothing is said of lost data without asking for it by name.
    const hidden = shown === undefined && !child.owned && identity.phase === 'Formed';
    const live = hidden ? await deps.client.find(child.resource, ref, { signal }) : shown;
    const foreign = live === undefined ? undefined : childForeignness(child, live, cluster, identity);
    const key = `${child.resource.kind}/${ref.name}`;
    const before = states.get(key);
    if (before !== undefined && before.live === live && before.foreign === foreign) return before;
    const state = { child: withoutDropped(child, live), live, foreign };
    states.set(key, state);
    return state;
  });
  return Promise.all(looked);
}

/** What we once made is known from the cache, and for Secrets, which are not watched, from our own status. */
async function readObsolete(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  needed: Pick<Observed, 'identity' | 'children' | 'secrets'>,
  signal: AbortSignal,
): Promise<Obsolete[]> {
  const namespace = cluster.metadata.namespace as string;
  const wanted = new Set(needed.children.map((c) => `${c.child.resource.kind}/${c.child.desired.metadata.name}`));
  const leftOf = <T extends KubeObject>(resource: Resource<T>, store: Store<T>) =>
    deps.own
      .current(
        resource,
        store.list(namespace).filter((o) => isOf(cluster, o)),
      )
      .filter((o) => foreignness(o, cluster) === undefined && o.metadata.deletionTimestamp === undefined)
      .filter((o) => !wanted.has(`${resource.kind}/${o.metadata.name}`))
      .map((o) => ({ resource: resource as Resource<KubeObject>, name: o.metadata.name }));
  const { stores } = deps;
  const objects = [
    ...leftOf(networkPolicies, stores.networkPolicies),
    ...leftOf(services, stores.services),
    ...leftOf(podDisruptionBudgets, stores.budgets),
  ];
  // Until the cluster is formed it has no clients, so nothing can be said of those that status names.
  if (needed.identity?.phase !== 'Formed') return objects;
  const names = new Set(needed.secrets.map((s) => s.need.name));
  const ours = `${cluster.metadata.name}-client-`;
  const former = (cluster.status?.clientSecrets ?? []).filter((name) => name.startsWith(ours) && !names.has(name));
  const left = await Promise.all(former.map((name) => deps.secrets.read(namespace, name, signal)));
  const clients = left
    .filter((s) => s !== undefined)
    .filter((s) => foreignness(s, cluster) === undefined)
    .map((s) => ({ resource: secretResource, name: s.metadata.name }));
  return [...objects, ...clients];
}

/**
 * Claims have no owner: ours carry our label. One without marks was made by the StatefulSet controller, from our own
 * template; one that holds the data of another formed cluster is never marked anew.
 */
function childForeignness(child: Child, live: KubeObject, cluster: EtcdCluster, identity: Identity): Foreign {
  if (child.owned) return foreignness(live, cluster);
  const marks = claimIdentity(live);
  if (marks?.genesis === identity.genesis) return undefined;
  if (live.metadata.labels?.[LABELS.cluster] !== cluster.metadata.name) return 'stranger';
  return marks?.formed === true && marks.genesis !== identity.genesis ? 'stranger' : undefined;
}

const lastSeen = (e: Event): number =>
  Date.parse(
    e.series?.lastObservedTime ?? e.deprecatedLastTimestamp ?? e.eventTime ?? e.metadata.creationTimestamp ?? '',
  );

/** The StatefulSet controller tells only in Events why it cannot create a pod (quota, Pod Security, a webhook). */
async function whyNoPods(
  deps: ObserverDeps,
  world: { cluster: EtcdCluster; pods: readonly Pod[]; children: readonly ChildState[]; now: Date },
  wanted: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { cluster, pods, children, now } = world;
  const set = children.find((c) => c.child.resource.kind === 'StatefulSet')?.live;
  const age = now.getTime() - Date.parse(set?.metadata.creationTimestamp ?? now.toISOString());
  if (set === undefined || pods.length >= wanted || age < POD_DUE_MS) return undefined;
  const fieldSelector = `regarding.kind=StatefulSet,regarding.name=${set.metadata.name},reason=FailedCreate`;
  const found = await deps.client.list(events, { namespace: cluster.metadata.namespace, fieldSelector }, { signal });
  const since = Math.max(...pods.map((p) => Date.parse(p.metadata.creationTimestamp ?? '')), 0);
  // A pod that was made after the refusal shows that the cause is gone.
  const fresh = found
    .filter((e) => e.regarding?.uid === set.metadata.uid && lastSeen(e) > since)
    .toSorted((a, b) => lastSeen(a) - lastSeen(b));
  return fresh.at(-1)?.note;
}
