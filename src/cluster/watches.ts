// SPDX-License-Identifier: Apache-2.0
// What the EtcdCluster controller listens to: clusters, and every object that is made for one.
import type { EtcdCluster } from '../api/cluster.ts';
import { LABELS } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import type { KubeObject } from '../runtime/json.ts';
import { type Key, type Manager, source, statusOnly, type WatchedStore } from '../runtime/manager.ts';
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
import type { OwnWrites } from './ownwrites.ts';

/** Selects every object that we make, in all watched namespaces. */
export const CHILD_SELECTOR = `${LABELS.cluster},app.kubernetes.io/managed-by=quorate`;

interface Watching {
  readonly manager: Manager;
  readonly clusters: WatchedStore<EtcdCluster>;
  readonly pods: WatchedStore<Pod>;
}

/** Starts the watches; what they show is set against our own writes before anybody is told. */
export function watchAll(w: Watching, own: OwnWrites) {
  const follow = <T extends KubeObject>(resource: Resource<T>, store: WatchedStore<T>): WatchedStore<T> => {
    store.onChange((change) => own.shown(resource, change));
    return store;
  };
  const watch = <T extends KubeObject>(resource: Resource<T>) =>
    follow(resource, w.manager.watch(resource, { labelSelector: CHILD_SELECTOR }));
  const children = {
    configMaps: watch(configMaps),
    services: watch(services),
    claims: watch(persistentVolumeClaims),
    statefulSets: watch(statefulSets),
    budgets: watch(podDisruptionBudgets),
    networkPolicies: watch(networkPolicies),
  };
  follow(etcdClusters, w.clusters);
  follow(pods, w.pods);
  const owner = (o: KubeObject): Key[] => [keyOf(o, o.metadata.labels?.[LABELS.cluster] ?? '')];
  const sources = [
    source(w.clusters, (c) => [keyOf(c, c.metadata.name)]),
    source(w.pods, owner),
    source(children.configMaps, owner),
    source(children.services, owner),
    source(children.claims, owner),
    source(children.statefulSets, owner, statusOnly),
    source(children.budgets, owner, statusOnly),
    source(children.networkPolicies, owner),
  ];
  return { stores: { ...children, pods: w.pods }, sources };
}

const keyOf = (o: KubeObject, name: string): Key => ({ namespace: o.metadata.namespace as string, name });
