// SPDX-License-Identifier: Apache-2.0
// Looks at the world for one cluster: the cache, the Secrets it reads by name, and live etcd.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { childNames, LABELS } from '../api/names.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { KubeObject } from '../runtime/json.ts';
import { memoized } from '../runtime/memo.ts';
import {
  type ConfigMap,
  configMaps,
  type Event,
  events,
  type Pod,
  persistentVolumeClaims,
  pods as podResource,
  type Secret,
} from '../runtime/resources.ts';
import { certificateFacts, judgeSecret } from './certificates.ts';
import { foreignness, isOf } from './foreign.ts';
import { formationOf } from './formation.ts';
import { decodeIdentity, type Identity, IdentityError, recoverIdentity } from './identity.ts';
import { type ChildrenDeps, readChildren, readObsolete } from './observechildren.ts';
import type { AuthorityState, ChildState, Observed, SecretState } from './observed.ts';
import { observeEtcd } from './probe.ts';
import { authoritySecretName, certificateNeeds, type Side, secretText } from './render/certificates.ts';
import { renderMemberFiles } from './render/memberfile.ts';

export interface ObserverDeps extends ChildrenDeps {
  readonly etcd: ClientPool;
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
  const authorities = await inTurn(['peer', 'client'] as const, (side) => readAuthority(deps, cluster, side, signal));
  const needs = certificateNeeds(cluster, spec, identity, files);
  const secrets = await inTurn(needs, (n) => readSecret(deps, { cluster, authorities, now }, n, signal));
  const obsolete = await readObsolete(deps, cluster, { identity, children, secrets }, signal);
  return { ...base, ...nothing, authorities, secrets, children, obsolete, quorum: silent };
}

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

/** Few are not remembered once a cluster is formed; before, asked for at once, each would open a connection, which costs more than it saves. */
async function inTurn<T, R>(list: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (const item of list) answers.push(await ask(item));
  return answers;
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
    // Not refused, only too early: a claim on its way out is followed by another one.
    .filter((e) => !/pvc \S+ is being deleted/.test(e.note ?? ''))
    .toSorted((a, b) => lastSeen(a) - lastSeen(b));
  return fresh.at(-1)?.note;
}
