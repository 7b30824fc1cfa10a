// SPDX-License-Identifier: Apache-2.0
// The EtcdCluster resource: its schema in zod, from which types, defaults, CRD and reference are made.
import { z } from 'zod';
import type { Condition } from '../runtime/conditions.ts';
import type { KubeObject } from '../runtime/json.ts';
import { backupPolicy } from './policy.ts';
import { DURATION_PATTERN, QUANTITY_PATTERN } from './quantities.ts';
import { DEFAULT_REPOSITORY, VERSION_PATTERN } from './versions.ts';

const quantity = () => z.string().max(24).regex(new RegExp(QUANTITY_PATTERN));
const duration = () => z.string().max(24).regex(new RegExp(DURATION_PATTERN));
const dnsLabel = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const labels = () => z.record(z.string().max(317), z.string().max(63));
const annotations = () => z.record(z.string().max(317), z.string().max(4096));
/** A Kubernetes structure that the API server checks again when the pod is made. */
const opaque = (description: string) =>
  z.looseObject({}).describe(description).meta({ 'x-kubernetes-preserve-unknown-fields': true });

const resourceList = () => z.record(z.string().max(253), z.string().max(32));
const labelSelector = () =>
  z.object({
    matchLabels: labels().optional(),
    matchExpressions: z
      .array(
        z.object({
          key: z.string().max(317),
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: z.array(z.string().max(63)).max(64).optional(),
        }),
      )
      .max(16)
      .optional(),
  });

const image = z
  .object({
    repository: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?$/)
      .default(DEFAULT_REPOSITORY)
      .describe('Image without tag; the tag is `v` and the version.'),
    digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .max(71)
      .optional()
      .describe('Pins the image; it must hold the version of the spec.'),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
    pullSecrets: z
      .array(z.object({ name: z.string().min(1).max(253) }))
      .max(8)
      .default([])
      .describe('Secrets of the namespace with registry credentials.'),
  })
  .prefault({})
  .describe('Where the etcd image comes from.'); // prettier-ignore

const storage = z
  .object({
    size: quantity().describe('Size of the volume of each member; at least 256Mi. Cannot shrink.'),
    storageClassName: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe("The cluster's default class if absent. Cannot change."),
    accessMode: z.enum(['ReadWriteOnce', 'ReadWriteOncePod']).default('ReadWriteOnce').describe('Cannot change.'),
    retentionPolicy: z
      .object({
        whenDeleted: z
          .enum(['Retain', 'Delete'])
          .default('Retain')
          .describe('What becomes of the claims when the EtcdCluster is deleted.'),
      })
      .prefault({}),
  })
  .describe('The volume of each member.'); // prettier-ignore

const clientCertificate = z.object({
  name: dnsLabel().describe('Names the Secret `<cluster>-client-<name>`.'),
  commonName: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9][-A-Za-z0-9._@:/ ]*$/)
    .optional()
    .describe('The etcd user if etcd authentication is enabled; the name if absent.'),
  organization: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9][-A-Za-z0-9._@:/ ]*$/)
    .optional(),
}); // prettier-ignore

const tls = z
  .object({
    clientCertificates: z
      .array(clientCertificate)
      .max(64)
      .default([])
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('Client certificates to issue, each as a Secret with ca.crt, tls.crt, tls.key and endpoints.'),
  })
  .prefault({})
  .describe('TLS is always on, for peers and for clients, with an authority of its own for each.'); // prettier-ignore

const etcd = z
  .object({
    quota: quantity().optional().describe('Largest size of the database; 2Gi, or what the volume can hold, if absent.'),
    maxRequestBytes: quantity().default('1536Ki').describe('Largest request.'),
    autoCompaction: z
      .object({
        mode: z.enum(['Periodic', 'Revision']).default('Periodic'),
        retention: z
          .string()
          .max(24)
          .regex(/^([0-9]{1,9}|([0-9]{1,9}(ms|s|m|h)){1,4})$/)
          .default('5m')
          .describe('A duration for Periodic, a number of revisions for Revision.'),
      })
      .prefault({}),
    heartbeatInterval: duration().default('100ms'),
    electionTimeout: duration().default('1s').describe('At least five times the heartbeat interval, at most 50s.'),
    snapshotCount: z
      .int()
      .min(1000)
      .max(1_000_000)
      .default(10_000)
      .describe('Committed transactions between snapshots to disk.'),
  })
  .prefault({})
  .describe('Options of etcd itself.'); // prettier-ignore

const pods = z
  .object({
    resources: z
      .object({ requests: resourceList().optional(), limits: resourceList().optional() })
      .default({ requests: { cpu: '100m', memory: '128Mi' } })
      .describe('CPU and memory of each member.'),
    nodeSelector: labels().optional(),
    affinity: opaque('Replaces parts of the default affinity, which prefers different nodes.').optional(),
    topologySpreadConstraints: z
      .array(
        z.object({
          maxSkew: z.int().min(1).max(9),
          topologyKey: z.string().min(1).max(317),
          whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']),
          labelSelector: labelSelector().optional(),
        }),
      )
      .max(8)
      .optional()
      .describe('Replaces the default, which spreads over zones where it can.'),
    tolerations: z
      .array(
        z.object({
          key: z.string().max(317).optional(),
          operator: z.enum(['Exists', 'Equal']).optional(),
          value: z.string().max(63).optional(),
          effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
          tolerationSeconds: z.int().min(0).max(2_147_483_647).optional(),
        }),
      )
      .max(32)
      .optional(),
    priorityClassName: z.string().min(1).max(253).optional(),
    labels: labels().optional(),
    annotations: annotations().optional(),
  })
  .prefault({})
  .describe('How the pods of the members are placed and sized.'); // prettier-ignore

const service = z
  .object({
    type: z.enum(['ClusterIP', 'LoadBalancer', 'NodePort']).default('ClusterIP'),
    annotations: annotations().default({}),
  })
  .prefault({})
  .describe('The Service for clients.');

const networkPolicy = z
  .object({
    enabled: z.boolean().default(true),
    clients: z
      .array(z.object({ podSelector: labelSelector().optional(), namespaceSelector: labelSelector().optional() }))
      .max(32)
      .optional()
      .describe(
        'Who may reach the client port. If absent: pods of the namespace labelled `etcd.quorate.dev/client: <cluster>`.',
      ),
  })
  .prefault({})
  .describe('Network policies for peers and clients.');

/** `spec` of an EtcdCluster. */
export const clusterSpec = z.object({
  replicas: z
    .union([z.literal(1), z.literal(3), z.literal(5), z.literal(7), z.literal(9)])
    .default(3)
    .meta({ type: 'integer' })
    .describe('Number of members: 1, 3, 5, 7 or 9.'),
  version: z.string().max(12).regex(new RegExp(VERSION_PATTERN)).describe('Version of etcd, X.Y.Z of 3.5, 3.6 or 3.7.'),
  storage,
  image,
  tls,
  etcd,
  pods,
  service,
  networkPolicy,
  backup: backupPolicy.optional(),
  paused: z.boolean().default(false).describe('Nothing is changed while true; status stays fresh.'),
}); // prettier-ignore

/** The spec as a user writes it. */
export type EtcdClusterSpec = z.input<typeof clusterSpec>;
type Parsed = z.output<typeof clusterSpec>;
/** The spec with every default filled in. */
export type EffectiveCluster = Omit<Parsed, 'etcd'> & { etcd: Parsed['etcd'] & { quota: string } };

const condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().max(1024),
  message: z.string().max(32_768),
  observedGeneration: z.int().min(0).optional(),
  lastTransitionTime: z.string().max(32).meta({ format: 'date-time' }),
});

export const conditionList = () =>
  z
    .array(condition)
    .max(32)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

const member = z.object({
  name: z.string(),
  id: z.string().optional().describe('As etcdctl prints it.'),
  role: z.enum(['Leader', 'Follower', 'Learner', 'Unknown']),
  version: z.string().optional(),
  healthy: z.boolean(),
  healthySince: z.string().optional().meta({ format: 'date-time' }),
  dbSize: z.string().optional().describe('Written on coarse change only.'),
  dbSizeInUse: z.string().optional(),
});
export type MemberRecord = z.output<typeof member>;

const scheduleStatus = z.object({
  name: z.string(),
  lastScheduleTime: z.string().optional().meta({ format: 'date-time' }),
  nextScheduleTime: z.string().optional().meta({ format: 'date-time' }),
});

/** `status` of an EtcdCluster. */
export const clusterStatus = z.object({
  observedGeneration: z.int(),
  conditions: conditionList(),
  clusterId: z.string().optional(),
  genesis: z.string().optional().describe('Names the data of this cluster; set once it was formed.'),
  version: z.string().optional(),
  replicas: z.int().optional(),
  readyReplicas: z.int().optional(),
  membersSummary: z.string().optional().describe('Healthy members of all, such as `3/3`.'),
  selector: z.string().optional(),
  leader: z.string().optional(),
  dbSize: z.string().optional(),
  members: z
    .array(member)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
  endpoints: z.array(z.string()).max(16).optional(),
  certificates: z
    .array(z.object({ name: z.string(), notAfter: z.string().meta({ format: 'date-time' }) }))
    .max(128)
    .optional(),
  clientSecrets: z.array(z.string()).max(64).optional(),
  backup: z
    .object({
      lastBackup: z.string().optional(),
      lastSuccessTime: z.string().optional().meta({ format: 'date-time' }),
      schedules: z.array(scheduleStatus).max(16).optional(),
    })
    .optional(),
}); // prettier-ignore

export type EtcdClusterStatus = Omit<z.output<typeof clusterStatus>, 'conditions'> & { conditions: Condition[] };

export interface EtcdCluster extends KubeObject {
  spec: EtcdClusterSpec;
  status?: EtcdClusterStatus;
}

/** A spec that passed the schema but cannot be meant. */
export interface EffectiveSpecFailure {
  readonly ok: false;
  readonly field: string;
  /** The value, the allowed range and the remedy. */
  readonly message: string;
}
