// SPDX-License-Identifier: Apache-2.0
// The Kubernetes resources that the operator works with: where they are served and how they look.
import type {
  EventsV1Event,
  V1ConfigMap,
  V1Job,
  V1Lease,
  V1NetworkPolicy,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
  V1StatefulSet,
} from '@kubernetes/client-node';
import type { Json, KubeObject, Metadata } from './json.ts';

export interface Resource<T extends KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Only a type: ties the resource to the shape of its objects. */
  readonly object?: T;
}

type Typed<T> = Omit<Json<T>, 'metadata'> & { metadata: Metadata };

export type ConfigMap = Typed<V1ConfigMap>;
export type Event = Typed<EventsV1Event>;
export type Job = Typed<V1Job>;
export type Lease = Typed<V1Lease>;
export type NetworkPolicy = Typed<V1NetworkPolicy>;
export type PersistentVolumeClaim = Typed<V1PersistentVolumeClaim>;
export type Pod = Typed<V1Pod>;
export type PodDisruptionBudget = Typed<V1PodDisruptionBudget>;
export type Secret = Typed<V1Secret>;
export type Service = Typed<V1Service>;
export type StatefulSet = Typed<V1StatefulSet>;

const define = <T extends KubeObject>(group: string, version: string, plural: string, kind: string): Resource<T> => ({
  group,
  version,
  plural,
  kind,
  namespaced: true,
});

export const configMaps = define<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const events = define<Event>('events.k8s.io', 'v1', 'events', 'Event');
export const jobs = define<Job>('batch', 'v1', 'jobs', 'Job');
export const leases = define<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const networkPolicies = define<NetworkPolicy>('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy');
export const persistentVolumeClaims = define<PersistentVolumeClaim>(
  '',
  'v1',
  'persistentvolumeclaims',
  'PersistentVolumeClaim',
);
export const pods = define<Pod>('', 'v1', 'pods', 'Pod');
export const podDisruptionBudgets = define<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const secrets = define<Secret>('', 'v1', 'secrets', 'Secret');
export const services = define<Service>('', 'v1', 'services', 'Service');
export const statefulSets = define<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');

export const apiVersionOf = <T extends KubeObject>(r: Resource<T>): string =>
  r.group === '' ? r.version : `${r.group}/${r.version}`;

/** Path of a collection (no name) or of one object, with an optional subresource. */
export function pathOf<T extends KubeObject>(
  r: Resource<T>,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = r.group === '' ? `/api/${r.version}` : `/apis/${r.group}/${r.version}`;
  const parts = [
    ...(r.namespaced && namespace !== undefined ? ['namespaces', namespace] : []),
    r.plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return `${root}/${parts.map(encodeURIComponent).join('/')}`;
}
