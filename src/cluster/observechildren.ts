// SPDX-License-Identifier: Apache-2.0
// Sets what a cluster wants beside what is there, and finds what it wants no longer.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { childNames, LABELS } from '../api/names.ts';
import type { KubeClient } from '../runtime/client.ts';
import type { KubeObject } from '../runtime/json.ts';
import {
  type ConfigMap,
  type NetworkPolicy,
  networkPolicies,
  type PersistentVolumeClaim,
  type Pod,
  type PodDisruptionBudget,
  podDisruptionBudgets,
  type Resource,
  type Service,
  type StatefulSet,
  secrets as secretResource,
  services,
} from '../runtime/resources.ts';
import type { Store } from '../runtime/store.ts';
import { foreignness, isOf } from './foreign.ts';
import { claimIdentity, type Identity } from './identity.ts';
import type { ChildState, Foreign, Observed, Obsolete } from './observed.ts';
import type { OwnWrites } from './ownwrites.ts';
import { type Child, withoutDropped } from './render/children.ts';
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

export interface ChildrenDeps {
  readonly client: KubeClient;
  readonly stores: ClusterStores;
  readonly secrets: SecretReader;
  readonly own: OwnWrites;
  readonly operatorNamespace: string;
}

interface Rendered {
  readonly of: string;
  readonly wanted: readonly Child[];
  /** As last looked at, by kind and name: what has not changed since is not compared again. */
  readonly states: Map<string, ChildState>;
}

const renderings = new WeakMap<Identity, Rendered>();

/** What a cluster wants, worked out once for each record and generation of the spec. */
function rendered(deps: ChildrenDeps, cluster: EtcdCluster, spec: EffectiveCluster, identity: Identity): Rendered {
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

export async function readChildren(
  deps: ChildrenDeps,
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
export async function readObsolete(
  deps: ChildrenDeps,
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
  const ours = (name: string): boolean =>
    name.startsWith(`${cluster.metadata.name}-client-`) || name === childNames(cluster.metadata.name).backupTls;
  const former = (cluster.status?.clientSecrets ?? []).filter((name) => ours(name) && !names.has(name));
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
