// SPDX-License-Identifier: Apache-2.0
// The backup policy of a cluster, part of the EtcdCluster resource: where backups go, and when they are made.
import { z } from 'zod';

const s3 = z.object({
  bucket: z
    .string()
    .min(3)
    .max(63)
    .regex(/^[a-z0-9][-a-z0-9.]*[a-z0-9]$/),
  endpoint: z
    .string()
    .max(512)
    .regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+$/)
    .optional()
    .describe('Of S3-compatible stores; absent for AWS. http:// only if you mean it.'),
  region: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[a-z0-9-]+$/)
    .default('us-east-1'),
  prefix: z
    .string()
    .max(256)
    .regex(/^([A-Za-z0-9_=-][A-Za-z0-9._=-]*(\/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*)?$/)
    .default('')
    .describe('Keys begin with it; namespace, cluster and UID follow.'),
  credentialsSecret: z
    .object({ name: z.string().min(1).max(253) })
    .describe('Secret of the namespace with accessKeyId and secretAccessKey.'),
  caSecret: z
    .object({ name: z.string().min(1).max(253) })
    .optional()
    .describe('Secret of the namespace whose ca.crt the store is trusted by.'),
  forcePathStyle: z.boolean().default(true),
}); // prettier-ignore

const schedule = z.object({
  name: z
    .string()
    .min(1)
    .max(24)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  schedule: z
    .string()
    .min(9)
    .max(128)
    .regex(/^[-0-9*,/A-Za-z#?]+( [-0-9*,/A-Za-z#?]+){4}$/)
    .describe('Five cron fields.'),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z][A-Za-z0-9_+/-]*$/)
    .optional()
    .describe('IANA name; UTC if absent.'),
  suspend: z.boolean().optional(),
}); // prettier-ignore

export const backupPolicy = z
  .object({
    store: z.object({ s3 }).describe('Where backups go.'),
    schedules: z
      .array(schedule)
      .max(16)
      .default([])
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('When backups are made.'),
  })
  .describe('Backups of the cluster.'); // prettier-ignore

export type BackupPolicy = z.output<typeof backupPolicy>;
