// SPDX-License-Identifier: Apache-2.0
// Looks at the world for one cluster: the cache, the Secrets it reads by name, and live etcd.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { childNames, LABELS } from '../api/names.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { KubeObject } from '../runtime/json.ts';
import { memoized } from '../runtime/memo.ts';
import { configMaps, persistentVolumeClaims, pods as podResource, type Secret } from '../runtime/resources.ts';
import { judgeAuthority, judgeSecret } from './certificates.ts';
import { foreignness, isMember, isOf } from './foreign.ts';
import { type Formation, formationOf } from './formation.ts';
import { decodeIdentity, type Identity, IdentityError, missingClaims, recoverIdentity } from './identity.ts';
import { type ChildrenDeps, readChildren, readObsolete } from './observechildren.ts';
import type { AuthorityState, Observed, SecretState } from './observed.ts';
import { observeEtcd } from './probe.ts';
import type { RefusedPods } from './refusedpods.ts';
import { authoritySecretName, certificateNeeds, type Side, secretText } from './render/certificates.ts';
import { type MemberFiles, renderMemberFiles } from './render/memberfile.ts';

export interface ObserverDeps extends ChildrenDeps {
  readonly etcd: ClientPool;
  readonly refusedPods: RefusedPods;
  /** Last good record of each cluster by UID: puts an edited or deleted ConfigMap back exactly. */
  readonly remembered: Map<string, Identity>;
}

/** A spec, and why the one that the user wrote cannot be meant, if so. */
export type Meant = Pick<Observed, 'spec' | 'specFailure'>;

/**
 * The world without etcd: enough for every rule that makes or mends objects, and not slowed by members that do not
 * answer. `withEtcd` adds them.
 */
export async function observe(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  meant: Meant,
  signal: AbortSignal,
): Promise<Observed> {
  const { spec } = meant;
  const namespace = cluster.metadata.namespace as string;
  const now = new Date();
  const record = await readRecord(deps, cluster, spec, signal);
  const mine = (o: KubeObject): boolean => isOf(cluster, o);
  const claims = deps.own.current(persistentVolumeClaims, deps.stores.claims.list(namespace).filter(mine));
  const pods = deps.own
    .current(podResource, deps.stores.pods.list(namespace).filter(mine))
    .filter((p) => isMember(cluster, p));
  const known = record.identity ?? knownFrom(record, cluster);
  const files = known === undefined ? undefined : filesOf(known, namespace);
  const base = { now, cluster, ...meant, claims, pods, ...record, known, files };
  const silent = { read: false, clusterId: undefined, members: undefined, error: undefined };
  const nothing = {
    authorities: [],
    secrets: [],
    children: [],
    obsolete: [],
    members: [],
    podsRefused: undefined,
  };
  if (known === undefined || files === undefined) return { ...base, ...nothing, quorum: silent };
  const children = await readChildren(deps, { cluster, spec, identity: known }, signal);
  const authorities = await inTurn(['peer', 'client'] as const, (side) => readAuthority(deps, base, side, signal));
  const needs = certificateNeeds(cluster, spec, known, files);
  const secrets = await inTurn(needs, (n) => readSecret(deps, { cluster, authorities, now }, n, signal));
  const obsolete = await readObsolete(deps, cluster, { identity: known, children, secrets }, signal);
  return { ...base, ...nothing, authorities, secrets, children, obsolete, quorum: silent };
}

/** Adds what the members themselves say, and why pods are missing. */
export async function withEtcd(deps: ObserverDeps, o: Observed, signal: AbortSignal): Promise<Observed> {
  const { cluster, known, files, pods, secrets } = o;
  if (known === undefined || files === undefined) return o;
  const [etcd, podsRefused] = await Promise.all([
    observeEtcd(deps.etcd, { cluster, identity: known, files, pods, secrets }, signal),
    deps.refusedPods.why(o, known.members.length, signal),
  ]);
  return { ...o, ...etcd, podsRefused, now: new Date() };
}

/** Few are not remembered once a cluster is formed; before, asked for at once, each would open a connection, which costs more than it saves. */
async function inTurn<T, R>(list: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (const item of list) answers.push(await ask(item));
  return answers;
}

type RecordView = Pick<Observed, 'config' | 'configForeign' | 'identity' | 'identityProblem' | 'recovered'>;

const recordOf = memoized(decodeIdentity);

const rendered = new WeakMap<Identity, MemberFiles>();

function filesOf(identity: Identity, namespace: string): MemberFiles {
  const files = rendered.get(identity) ?? renderMemberFiles(identity, namespace);
  rendered.set(identity, files);
  return files;
}

/** What memory or the claims say of a record that cannot be read, if it is the data that status names. */
function knownFrom({ recovered }: RecordView, { status }: EtcdCluster): Identity | undefined {
  const identity = recovered?.kind === 'identity' ? recovered.identity : undefined;
  return identity !== undefined && identity.genesis === status?.genesis ? identity : undefined;
}

/** What the members were formed with, by the record or what is remembered of it; undefined while nothing is formed. */
export async function formedWith(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  signal: AbortSignal,
): Promise<Formation | undefined> {
  const { identity } = await readConfig(deps, cluster, signal);
  const known = identity ?? deps.remembered.get(cluster.metadata.uid as string);
  return known?.phase === 'Formed' ? known.formation : undefined;
}

/** The ConfigMap of the record; live where the cache may be behind. */
async function readConfig(deps: ObserverDeps, cluster: EtcdCluster, signal: AbortSignal) {
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
      const identity = recordOf(config);
      deps.remembered.set(uid, identity);
      return { config, configForeign, identity, identityProblem };
    } catch (e) {
      if (!(e instanceof IdentityError)) throw e;
      identityProblem = e.message;
    }
  }
  return { config, configForeign, identity: undefined, identityProblem };
}

/** Before anything is decided on a missing record, the claims are read live. */
async function readRecord(
  deps: ObserverDeps,
  cluster: EtcdCluster,
  spec: EffectiveCluster,
  signal: AbortSignal,
): Promise<RecordView> {
  const record = await readConfig(deps, cluster, signal);
  if (record.identity !== undefined) return { ...record, recovered: undefined };
  const remembered = deps.remembered.get(cluster.metadata.uid as string);
  if (remembered !== undefined) {
    return { ...record, recovered: { kind: 'identity', from: 'memory', identity: remembered } };
  }
  const namespace = cluster.metadata.namespace as string;
  const labelSelector = `${LABELS.cluster}=${cluster.metadata.name}`;
  const labelled = await deps.client.list(persistentVolumeClaims, { namespace, labelSelector }, { signal });
  // One that lost its label is asked for by name, so that its member does not lose its directory.
  const hidden = missingClaims(cluster.metadata.name, labelled);
  const found = await inTurn(hidden, (name) =>
    deps.client.find(persistentVolumeClaims, { namespace, name }, { signal }),
  );
  const claims = [...labelled, ...found.filter((c) => c !== undefined)];
  return { ...record, recovered: recoverIdentity(cluster.metadata.name, claims, formationOf(spec)) };
}

async function readAuthority(
  deps: ObserverDeps,
  { cluster, now }: { cluster: EtcdCluster; now: Date },
  side: Side,
  signal: AbortSignal,
): Promise<AuthorityState> {
  const name = authoritySecretName(cluster, side);
  const secret = await deps.secrets.read(cluster.metadata.namespace as string, name, signal);
  const foreign = secret === undefined ? undefined : foreignness(secret, cluster);
  // It is about to go, or somebody has to take it away: what is remembered would hide that.
  if (foreign !== undefined) deps.secrets.forget(cluster.metadata.namespace as string, name);
  const cert = secret === undefined ? undefined : secretText(secret, 'tls.crt');
  return { side, secret, foreign, cert, ...judgeAuthority(secret, now) };
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
