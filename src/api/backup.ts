// SPDX-License-Identifier: Apache-2.0
// The EtcdBackup resource: one snapshot of a cluster, run to completion.
import { z } from 'zod';
import type { Condition } from '../runtime/conditions.ts';
import type { KubeObject } from '../runtime/json.ts';
import { conditionList } from './cluster.ts';

export const backupSpec = z.object({
  clusterName: z
    .string()
    .min(1)
    .max(52)
    .regex(/^[a-z]([-a-z0-9]*[a-z0-9])?$/)
    .describe('The EtcdCluster of the namespace to back up. Cannot change.'),
  schedule: z
    .string()
    .min(1)
    .max(24)
    .optional()
    .describe('The schedule that made this backup; absent when made by hand.'),
}); // prettier-ignore
export type EtcdBackupSpec = z.input<typeof backupSpec>;

export const backupStatus = z.object({
  observedGeneration: z.int(),
  conditions: conditionList(),
  key: z.string().optional().describe('Of the object in the store.'),
  location: z.string().optional().describe('Store, bucket and key, to read.'),
  size: z.string().optional().describe('Bytes of the snapshot.'),
  compressedSize: z.string().optional().describe('Bytes of the object.'),
  sha256: z.string().optional().describe('Of the object.'),
  revision: z.string().optional(),
  member: z.string().optional(),
  etcdVersion: z.string().optional(),
  clusterId: z.string().optional(),
  startTime: z.string().optional().meta({ format: 'date-time' }),
  completionTime: z.string().optional().meta({ format: 'date-time' }),
  job: z.string().optional(),
  attempts: z.int().optional(),
});
export type EtcdBackupStatus = Omit<z.output<typeof backupStatus>, 'conditions'> & { conditions: Condition[] };

export interface EtcdBackup extends KubeObject {
  spec: EtcdBackupSpec;
  status?: EtcdBackupStatus;
}
