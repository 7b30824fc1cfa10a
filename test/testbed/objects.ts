// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects that make a bare control plane a usable cluster: nodes, DNS, storage, the object store's name.
import { ADDRESSES, COREDNS_IMAGE, CSI_DRIVER, NODES, S3_PORT } from './config.ts';

export type KubeObject = Readonly<Record<string, unknown>>;

/**
 * `cached` is what older clusters run: answers, also negative ones, live for 30 s. `direct` is kubeadm's newer
 * default, which does not cache names of the cluster.
 */
export type DnsMode = 'cached' | 'direct';

const corefile = (mode: DnsMode): string => `.:53 {
    errors
    health {
        lameduck 1s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl ${mode === 'cached' ? 30 : 5}
    }
    ${mode === 'cached' ? 'cache 30' : 'cache 30 {\n        disable success cluster.local\n        disable denial cluster.local\n    }'}
    reload 2s 1s
}
`;

const rule = (apiGroups: string[], resources: string[], verbs: string[]) => ({ apiGroups, resources, verbs });
const READ = ['get', 'list', 'watch'];

function role(name: string, subject: object, rules: readonly object[]): KubeObject[] {
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    },
  ];
}

/** Nodes before their kubelets: a pod range of their own and a zone. */
export const nodeObjects = (): KubeObject[] =>
  NODES.map((node) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels: { 'topology.kubernetes.io/zone': node.zone } },
    spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] },
  }));

export function dnsObjects(mode: DnsMode): KubeObject[] {
  const namespace = 'kube-system';
  const metadata = { name: 'coredns', namespace };
  const labels = { 'k8s-app': 'kube-dns' };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    ...role('system:coredns', { kind: 'ServiceAccount', ...metadata }, [
      rule([''], ['endpoints', 'services', 'pods', 'namespaces'], ['list', 'watch']),
      rule(['discovery.k8s.io'], ['endpointslices'], ['list', 'watch']),
    ]),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: corefile(mode) } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          // A changed file reaches a running pod late; a changed pod is made anew.
          metadata: { labels, annotations: { 'testbed.quorate.dev/dns': mode } },
          spec: {
            serviceAccountName: 'coredns',
            dnsPolicy: 'Default',
            priorityClassName: 'system-cluster-critical',
            // A test may take any node away; the cluster's names shall come back soon.
            tolerations: ['not-ready', 'unreachable'].map((state) => ({
              key: `node.kubernetes.io/${state}`,
              operator: 'Exists',
              effect: 'NoExecute',
              tolerationSeconds: 5,
            })),
            containers: [
              {
                name: 'coredns',
                image: COREDNS_IMAGE,
                imagePullPolicy: 'IfNotPresent',
                args: ['-conf', '/etc/coredns/Corefile'],
                volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
                readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
                resources: { requests: { cpu: '10m', memory: '32Mi' } },
              },
            ],
            volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace, labels },
      spec: {
        clusterIP: ADDRESSES.dns,
        selector: labels,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
  ];
}

export function storageObjects(): KubeObject[] {
  const user = { kind: 'User', name: 'testbed:csi-controller', apiGroup: 'rbac.authorization.k8s.io' };
  return [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: CSI_DRIVER },
      spec: {
        attachRequired: false,
        podInfoOnMount: false,
        fsGroupPolicy: 'File',
        volumeLifecycleModes: ['Persistent'],
        storageCapacity: false,
      },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: CSI_DRIVER,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
      reclaimPolicy: 'Delete',
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'fixed' },
      provisioner: CSI_DRIVER,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: false,
      reclaimPolicy: 'Delete',
    },
    ...role('testbed:csi-controller', user, [
      rule([''], ['persistentvolumes'], [...READ, 'create', 'patch', 'update', 'delete']),
      rule([''], ['persistentvolumeclaims'], [...READ, 'update', 'patch']),
      rule([''], ['persistentvolumeclaims/status'], ['update', 'patch']),
      rule([''], ['nodes', 'pods'], READ),
      rule(['storage.k8s.io'], ['storageclasses', 'csinodes', 'volumeattachments', 'volumeattributesclasses'], READ),
      rule(['', 'events.k8s.io'], ['events'], ['list', 'watch', 'create', 'update', 'patch']),
    ]),
  ];
}

/** The object store under a name of the cluster: `s3.testbed.svc`. */
export const storeObjects = (): KubeObject[] => [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'testbed' } },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's3', namespace: 'testbed' },
    spec: { clusterIP: ADDRESSES.s3Service, ports: [{ name: 'http', port: S3_PORT, targetPort: S3_PORT }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's3', namespace: 'testbed', labels: { 'kubernetes.io/service-name': 's3' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: S3_PORT, protocol: 'TCP' }],
    endpoints: [{ addresses: [ADDRESSES.s3], conditions: { ready: true } }],
  },
];
