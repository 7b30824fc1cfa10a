// SPDX-License-Identifier: Apache-2.0
// Specs to start from: the least there is, and one with every field.
import type { EtcdBackupSpec } from '../../../src/api/backup.ts';
import type { EtcdClusterSpec } from '../../../src/api/cluster.ts';

export const least = { version: '3.6.16', storage: { size: '10Gi' } } satisfies EtcdClusterSpec;

const selector = {
  matchLabels: { app: 'checkout' },
  matchExpressions: [{ key: 'tier', operator: 'In' as const, values: ['front', 'back'] }],
};

export const everything = {
  replicas: 5,
  version: '3.6.16',
  storage: {
    size: '10Gi',
    storageClassName: 'fast',
    accessMode: 'ReadWriteOncePod',
    retentionPolicy: { whenDeleted: 'Delete' },
  },
  image: {
    repository: 'registry.example.com:5000/mirror/etcd',
    digest: `sha256:${'0a'.repeat(32)}`,
    pullPolicy: 'Always',
    pullSecrets: [{ name: 'registry' }],
  },
  tls: { clientCertificates: [{ name: 'checkout', commonName: 'Checkout service', organization: 'shop' }] },
  etcd: {
    quota: '2Gi',
    maxRequestBytes: '2Mi',
    autoCompaction: { mode: 'Periodic', retention: '1h30m' },
    heartbeatInterval: '200ms',
    electionTimeout: '2s',
    snapshotCount: 5000,
  },
  pods: {
    resources: {
      requests: { cpu: 1, memory: '512Mi', 'ephemeral-storage': '1Gi' },
      limits: { cpu: '2', memory: '1Gi', 'ephemeral-storage': '2Gi' },
    },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } },
        ],
      },
      podAffinity: {},
      podAntiAffinity: {},
    },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: selector,
      },
    ],
    tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'etcd', effect: 'NoExecute', tolerationSeconds: 60 }],
    priorityClassName: 'system-cluster-critical',
    labels: { team: 'storage' },
    annotations: { 'example.com/contact': 'storage team, ext. 42' },
  },
  service: { type: 'LoadBalancer', annotations: { 'example.com/internal': 'true' } },
  networkPolicy: {
    enabled: true,
    clients: [
      { podSelector: selector, namespaceSelector: selector },
      { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
    ],
  },
  backup: {
    store: {
      s3: {
        bucket: 'shop-backups',
        endpoint: 'https://s3.example.com:9000',
        region: 'eu-central-1',
        prefix: 'prod/etcd',
        credentialsSecret: { name: 'backup-key' },
        caSecret: { name: 'backup-ca' },
        forcePathStyle: true,
      },
    },
    schedules: [{ name: 'hourly', schedule: '0 * * * *', timeZone: 'Europe/Berlin', suspend: false }],
  },
  paused: false,
} satisfies EtcdClusterSpec;

export const backup = { clusterName: 'orders', schedule: 'hourly' } satisfies EtcdBackupSpec;
