// SPDX-License-Identifier: Apache-2.0
// The EtcdBackup resource: one snapshot of a cluster, run to completion.
import { z } from 'zod';
import type { Condition } from '../runtime/conditions.ts';
import type { KubeObject } from '../runtime/json.ts';
import { dnsLabel, rules, text, time } from './fields.ts';
import { CLUSTER_NAME, CLUSTER_NAME_SAYS, MAX_CLUSTER_NAME } from './names.ts';
import { conditionList, observedGeneration } from './status.ts';

export const backupSpec = z
  .object({
    clusterName: text(MAX_CLUSTER_NAME, CLUSTER_NAME, CLUSTER_NAME_SAYS).describe(
      'The EtcdCluster of the same namespace to back up. Cannot change.',
    ),
    schedule: dnsLabel(24)
      .optional()
      .describe('The schedule that made this backup; absent when made by hand. Cannot change.'),
  })
  .meta(
    rules({
      rule: 'self == oldSelf',
      message: 'spec cannot change, because a backup is made once: make a new EtcdBackup',
      reason: 'FieldValueForbidden',
    }),
  )
  .describe('What to back up.');
export type EtcdBackupSpec = z.input<typeof backupSpec>;

const word = (max = 253) => z.string().max(max).optional();

export const backupStatus = z.object({
  observedGeneration: observedGeneration(),
  conditions: conditionList(),
  clusterUID: word(36).describe('UID of the EtcdCluster that its Job worked for.'),
  key: word(1024).describe('Of the object in the store.'),
  manifestKey: word(1024).describe('Of its manifest, without which it is no backup.'),
  location: word(2048).describe('URL of the object, such as `s3://bucket/key`.'),
  size: word(32).describe('Size of the snapshot; the manifest has the bytes.'),
  compressedSize: word(32).describe('Size of the object.'),
  sha256: word(64).describe('Of the object, compressed as it is.'),
  snapshotSha256: word(64).describe('Of the database: the sum that etcd puts at the end of its snapshot.'),
  revision: word(20).describe('Everything up to this revision of the keys is inside.'),
  member: word().describe('Member that the snapshot was taken from.'),
  etcdVersion: word(64).describe('Version of that member.'),
  clusterId: word(16).describe('As etcdctl prints it.'),
  startTime: time().optional().describe('When the Job began.'),
  completionTime: time().optional().describe('When it was over: complete, or failed for good.'),
  job: word().describe('Job that makes it.'),
  attempts: z.int().optional().describe('Jobs that were started for it.'),
  replaced: z
    .array(z.int())
    .max(99)
    .optional()
    .describe(
      'Numbers of those that were to be replaced before they began, because the spec of the cluster had changed or their deadline came.',
    ),
});
export type EtcdBackupStatus = Omit<z.output<typeof backupStatus>, 'conditions'> & { conditions: Condition[] };

export interface EtcdBackup extends KubeObject {
  spec: EtcdBackupSpec;
  status?: EtcdBackupStatus;
}
