{{- /* Generated from scripts/rbac.ts by `make generate`. */ -}}

{{- define "quorate.rules.watched" -}}
# get: before claims are deleted; patch: the finalizer; spec is never written
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters]
  verbs: [get, list, watch, patch]
# what was seen
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters/status]
  verbs: [patch]
# schedules make backups, and delete old ones
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdbackups]
  verbs: [get, list, watch, create, delete]
# what was seen
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdbackups/status]
  verbs: [patch]
# OwnerReferencesPermissionEnforcement asks for it before it lets a child block the deletion of its owner
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters/finalizers, etcdbackups/finalizers]
  verbs: [update]
# one per cluster
- apiGroups: ["apps"]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
# the StatefulSet makes them; the operator decides who restarts
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
# made before their pods; deleted only if the policy says so
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
# one per member, one for clients; deleted when the spec has fewer members before the cluster is formed
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# identity record, written by compare-and-set
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update]
# one per cluster of several members
- apiGroups: ["policy"]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# peers, clients; deleted when switched off
- apiGroups: ["networking.k8s.io"]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# backups run as Jobs; one that never began is replaced when the spec has changed
- apiGroups: ["batch"]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# certificates; read by name only; deleted when a client is removed from the spec
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, update, delete]
# tells what it does; list: why a StatefulSet cannot make a pod
- apiGroups: ["events.k8s.io"]
  resources: [events]
  verbs: [list, create]
{{- end -}}

{{- define "quorate.rules.own" -}}
# leader election
- apiGroups: ["coordination.k8s.io"]
  resources: [leases]
  verbs: [get, create, update]
{{- end -}}

{{- define "quorate.rules.view" -}}
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters, etcdbackups]
  verbs: [get, list, watch]
{{- end -}}

{{- define "quorate.rules.edit" -}}
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters, etcdbackups]
  verbs: [create, update, patch, delete]
- apiGroups: ["etcd.quorate.dev"]
  resources: [etcdclusters/scale]
  verbs: [get, update, patch]
{{- end -}}
