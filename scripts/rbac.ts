// SPDX-License-Identifier: Apache-2.0
// The one table of what the operator may do. The chart's roles are generated from it, and a test compares it with the requests that were recorded.

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** Where a grant holds: in every watched namespace, or in the operator's own. */
export type Scope = 'watched' | 'own';

export interface Grant {
  scope: Scope;
  /** `''` is the core group. */
  group: string;
  /** Plural, or `plural/subresource`. */
  resources: string[];
  verbs: Verb[];
  /** What it is for; becomes a comment beside the rule. */
  why: string;
  /** No request of ours: an admission plugin of some clusters asks for it. */
  askedByAdmission?: true;
}

const ours = 'etcd.quorate.dev';

/** Never `list` or `watch` of Secrets, no `deletecollection`, no wildcard: `test/unit/rbac.test.ts` holds this. */
export const grants: Grant[] = [
  {
    scope: 'watched',
    group: ours,
    resources: ['etcdclusters'],
    verbs: ['get', 'list', 'watch', 'patch'],
    why: 'get: before claims are deleted; patch: the finalizer; spec is never written',
  },
  { scope: 'watched', group: ours, resources: ['etcdclusters/status'], verbs: ['patch'], why: 'what was seen' },
  {
    scope: 'watched',
    group: ours,
    resources: ['etcdbackups'],
    verbs: ['get', 'list', 'watch', 'create', 'delete'],
    why: 'schedules make backups, and delete old ones',
  },
  { scope: 'watched', group: ours, resources: ['etcdbackups/status'], verbs: ['patch'], why: 'what was seen' },
  {
    scope: 'watched',
    group: ours,
    resources: ['etcdclusters/finalizers', 'etcdbackups/finalizers'],
    verbs: ['update'],
    why: 'OwnerReferencesPermissionEnforcement asks for it before it lets a child block the deletion of its owner',
    askedByAdmission: true,
  },
  {
    scope: 'watched',
    group: 'apps',
    resources: ['statefulsets'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    why: 'one per cluster',
  },
  {
    scope: 'watched',
    group: '',
    resources: ['pods'],
    verbs: ['get', 'list', 'watch', 'patch', 'delete'],
    why: 'the StatefulSet makes them; the operator decides who restarts',
  },
  {
    scope: 'watched',
    group: '',
    resources: ['persistentvolumeclaims'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    why: 'made before their pods; deleted only if the policy says so',
  },
  {
    scope: 'watched',
    group: '',
    resources: ['services'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    why: 'one per member, one for clients; deleted when the spec has fewer members before the cluster is formed',
  },
  {
    scope: 'watched',
    group: '',
    resources: ['configmaps'],
    verbs: ['get', 'list', 'watch', 'create', 'update'],
    why: 'identity record, written by compare-and-set',
  },
  {
    scope: 'watched',
    group: 'policy',
    resources: ['poddisruptionbudgets'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    why: 'one per cluster of several members',
  },
  {
    scope: 'watched',
    group: 'networking.k8s.io',
    resources: ['networkpolicies'],
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
    why: 'peers, clients; deleted when switched off',
  },
  {
    scope: 'watched',
    group: 'batch',
    resources: ['jobs'],
    verbs: ['get', 'list', 'watch', 'create', 'delete'],
    why: 'backups run as Jobs; one that never began is replaced when the spec has changed',
  },
  {
    scope: 'watched',
    group: '',
    resources: ['secrets'],
    verbs: ['get', 'create', 'update', 'delete'],
    why: 'certificates; read by name only; deleted when a client is removed from the spec',
  },
  {
    scope: 'watched',
    group: 'events.k8s.io',
    resources: ['events'],
    verbs: ['list', 'create'],
    why: 'tells what it does; list: why a StatefulSet cannot make a pod',
  },
  {
    scope: 'own',
    group: 'coordination.k8s.io',
    resources: ['leases'],
    verbs: ['get', 'create', 'update'],
    why: 'leader election',
  },
];

/** What people get in every namespace through the built-in roles of the same name, if the chart aggregates them. */
export const aggregated: Record<'view' | 'edit', Omit<Grant, 'scope' | 'why'>[]> = {
  view: [{ group: ours, resources: ['etcdclusters', 'etcdbackups'], verbs: ['get', 'list', 'watch'] }],
  edit: [
    { group: ours, resources: ['etcdclusters', 'etcdbackups'], verbs: ['create', 'update', 'patch', 'delete'] },
    { group: ours, resources: ['etcdclusters/scale'], verbs: ['get', 'update', 'patch'] },
  ],
};
