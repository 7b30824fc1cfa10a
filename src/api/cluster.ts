// SPDX-License-Identifier: Apache-2.0
// The EtcdCluster resource: its schema in zod, from which types, defaults, CRD and reference are made.
import { z } from 'zod';
import type { KubeObject } from '../runtime/json.ts';
import { ipBlock } from './cidr.ts';
import {
  type CelRule,
  dnsLabel,
  duration,
  labelSelector,
  listMap,
  objectName,
  ownAnnotations,
  quantity,
  reference,
  rules,
  text,
} from './fields.ts';
import { pods } from './pods.ts';
import { backupPolicy } from './policy.ts';
import {
  clientCertificateRules,
  clusterSpecRules,
  etcdRules,
  isOwnClient,
  OWN_CLIENT_SAYS,
  storageRules,
  versionRules,
} from './rules.ts';
import type { EtcdClusterStatus } from './status.ts';
import { DEFAULT_REPOSITORY, VERSION_PATTERN, VERSION_SAYS } from './versions.ts';

const image = z
  .object({
    repository: text(
      255,
      /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/,
      'must be the name of an image without tag or digest, such as registry.example.com/etcd',
    )
      .default(DEFAULT_REPOSITORY)
      .describe('Image without tag; the tag is `v` and the version.'),
    digest: text(71, /^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
      .optional()
      .describe('Pins the image, for instance `sha256:…`; it must hold the version of the spec.'),
    pullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .default('IfNotPresent')
      .describe('When nodes fetch the image.'),
    pullSecrets: z
      .array(reference())
      .max(8)
      .default([])
      .meta(listMap('name'))
      .describe('Secrets with the credentials of the registry.'),
  })
  .prefault({})
  .describe('Where the etcd image comes from.');

const storage = z
  .object({
    size: quantity().describe(
      'Size of the volume of each member, 256Mi to 64Ti. Cannot shrink once the cluster is formed.',
    ),
    storageClassName: objectName()
      .optional()
      .describe(
        "StorageClass of the volumes; the Kubernetes cluster's default if absent. Cannot change once the cluster is formed.",
      ),
    accessMode: z
      .enum(['ReadWriteOnce', 'ReadWriteOncePod'])
      .default('ReadWriteOnce')
      .describe('Access mode of the volumes. Cannot change once the cluster is formed.'),
    retentionPolicy: z
      .object({
        whenDeleted: z
          .enum(['Retain', 'Delete'])
          .default('Retain')
          .describe(
            'What becomes of the claims, and so of the data, when the EtcdCluster is deleted. A claim with a volume that is older than the EtcdCluster and not marked as its own stays in any case.',
          ),
      })
      .prefault({})
      .describe('What becomes of the claims.'),
  })
  .meta(rules(...storageRules))
  .describe('The volume of each member.');

const distinguishedName = () =>
  text(
    64,
    /^[A-Za-z0-9]([-A-Za-z0-9._@: ]*[A-Za-z0-9])?$/,
    'must hold only letters, digits, spaces and ._@:-, and begin and end with a letter or digit',
  );

const clientCertificate = z
  .object({
    name: dnsLabel().describe('Names the Secret `<cluster>-client-<name>`.'),
    commonName: distinguishedName()
      .optional()
      .describe('The etcd user, where etcd authentication is enabled; the name if absent.'),
    organization: distinguishedName().optional().describe('Organization in the subject of the certificate.'),
  })
  .refine((c) => !isOwnClient(c.commonName ?? c.name), { path: ['commonName'], message: OWN_CLIENT_SAYS })
  .meta(rules(...clientCertificateRules));

const tls = z
  .object({
    clientCertificates: z
      .array(clientCertificate)
      .max(64)
      .default([])
      .meta(listMap('name'))
      .describe('Client certificates to issue, each as a Secret with ca.crt, tls.crt, tls.key and endpoints.'),
  })
  .prefault({})
  .describe('TLS is always on, for peers and for clients, with an authority of its own for each.');

const autoCompaction = z
  .object({
    mode: z
      .enum(['Periodic', 'Revision'])
      .default('Periodic')
      .describe('Old revisions go by age, or by how many they are.'),
    retention: text(
      24,
      /^([0-9]{1,9}|([0-9]{1,5}(s|m|h)){1,3})$/,
      'must be a duration such as 5m for Periodic, a number of revisions such as 1000 for Revision, or 0 for none',
    )
      .default('5m')
      .describe('What is kept: a duration for Periodic, a number of revisions for Revision; 0 keeps everything.'),
  })
  .prefault({})
  .describe('How etcd forgets old revisions of keys.');

const etcd = z
  .object({
    quota: quantity()
      .optional()
      .describe(
        'Largest size of the database, 16Mi to 100Gi. If absent: 2Gi, or less where the volume cannot hold it twice beside the log (384Mi on a volume of 1Gi).',
      ),
    maxRequestBytes: quantity().default('1536Ki').describe('Largest request that a client may send, 16Ki to 10Mi.'),
    autoCompaction,
    heartbeatInterval: duration()
      .default('100ms')
      .describe("Interval of the leader's heartbeats; about the round trip between members. 1ms to 10s."),
    electionTimeout: duration()
      .default('1s')
      .describe('Silence after which a follower stands for election; at least five times the heartbeat, at most 50s.'),
    snapshotCount: z
      .int()
      .min(1000)
      .max(1_000_000)
      .default(10_000)
      .describe('Committed transactions between snapshots to disk; more of them need more memory.'),
  })
  .prefault({})
  .meta(rules(...etcdRules))
  .describe('Options of etcd itself.');

const service = z
  .object({
    type: z
      .enum(['ClusterIP', 'LoadBalancer', 'NodePort'])
      .default('ClusterIP')
      .describe(
        'How clients reach the cluster. For clients outside the Kubernetes cluster `networkPolicy.clients` has to name their addresses too. Server certificates hold only names inside the Kubernetes cluster: clients outside must check one of those.',
      ),
    annotations: ownAnnotations().default({}).describe('Annotations of the Service, for instance of a load balancer.'),
  })
  .prefault({})
  .describe('The Service for clients, `<cluster>-client`.');

const CLIENT_SAYS = 'must have podSelector, namespaceSelector or both, or ipBlock alone; {} selects all';
const anySelector: CelRule = {
  rule: '(has(self.podSelector) || has(self.namespaceSelector)) != has(self.ipBlock)',
  message: CLIENT_SAYS,
  reason: 'FieldValueInvalid',
};

const policyClient = z
  .object({
    podSelector: labelSelector().optional().describe('Pods; all pods of the selected namespaces if absent.'),
    namespaceSelector: labelSelector().optional().describe('Namespaces; that of the cluster if absent.'),
    ipBlock: ipBlock()
      .optional()
      .describe(
        'Addresses, for clients outside the Kubernetes cluster. Behind a load balancer or a node port a member may see the address of a node in place of the client.',
      ),
  })
  .refine(
    (c) => (c.podSelector !== undefined || c.namespaceSelector !== undefined) !== (c.ipBlock !== undefined),
    CLIENT_SAYS,
  )
  .meta(rules(anySelector));

const networkPolicy = z
  .object({
    enabled: z.boolean().default(true).describe('Whether network policies are made.'),
    clients: z
      .array(policyClient)
      .max(32)
      .optional()
      .describe(
        'Who may reach the client port. If absent: pods of the namespace labelled `etcd.quorate.dev/client: <cluster>`. If empty: nobody.',
      ),
  })
  .prefault({})
  .describe('Network policies for peers and clients.');

/** `spec` of an EtcdCluster. */
export const clusterSpec = z
  .object({
    replicas: z.literal([1, 3, 5, 7, 9]).default(3).describe('Number of members: 1, 3, 5, 7 or 9.'),
    version: text(12, new RegExp(VERSION_PATTERN), VERSION_SAYS)
      .meta(rules(...versionRules))
      .describe('Version of etcd.'),
    storage,
    image,
    tls,
    etcd,
    pods,
    service,
    networkPolicy,
    backup: backupPolicy.optional(),
    paused: z
      .boolean()
      .default(false)
      .describe(
        'Nothing of the cluster is changed while true, and no claim deleted. Status stays fresh, and backups go on.',
      ),
  })
  .meta(rules(...clusterSpecRules))
  .describe('What the cluster should be.');

/** The spec as a user writes it. */
export type EtcdClusterSpec = z.input<typeof clusterSpec>;
/** The spec with every default filled in. `quota` is in force: `etcd.quota`, or what the volume can hold where that is absent. */
export type EffectiveCluster = z.output<typeof clusterSpec> & { readonly quota: string };

export type { EtcdClusterStatus, MemberRecord } from './status.ts';

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
