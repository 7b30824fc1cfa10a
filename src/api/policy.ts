// SPDX-License-Identifier: Apache-2.0
// The backup policy of a cluster, part of the EtcdCluster resource: where backups go, and when they are made.
import { z } from 'zod';
import { CRON_PATTERN, CRON_SAYS } from './cron.ts';
import { dnsLabel, listMap, reference, text } from './fields.ts';

const PREFIX_SAYS =
  'must be a path such as prod/etcd: letters, digits and ._=- between single slashes, no part beginning with a dot or a dash';

const s3 = z.object({
  bucket: text(
    63,
    /^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$/,
    'must be the name of a bucket: 3 to 63 lower-case letters, digits, dashes and dots',
  ).describe('Bucket; it must exist.'),
  endpoint: text(
    512,
    /^https?:\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$/,
    'must be a URL of scheme, host and port only, such as https://s3.example.com:9000',
  )
    .optional()
    .describe('URL of an S3-compatible store; AWS if absent. With http:// snapshots travel unencrypted.'),
  region: text(
    64,
    /^[a-z0-9][-a-z0-9]*$/,
    'must hold only lower-case letters, digits and dashes, and begin with a letter or digit',
  )
    .default('us-east-1')
    .describe('Region of the bucket.'),
  prefix: z
    .string()
    .max(256)
    .regex(/^([A-Za-z0-9_=][A-Za-z0-9._=-]*(\/[A-Za-z0-9_=][A-Za-z0-9._=-]*)*)?$/, PREFIX_SAYS)
    .meta({ 'x-quorate-says': PREFIX_SAYS })
    .default('')
    .describe("Keys begin with it; namespace, cluster and the cluster's UID follow."),
  credentialsSecret: reference().describe('Secret with accessKeyId and secretAccessKey.'),
  caSecret: reference()
    .optional()
    .describe('Secret whose ca.crt the store is trusted by; public authorities if absent.'),
  forcePathStyle: z
    .boolean()
    .default(true)
    .describe('The bucket is in the path of the URL instead of the name of the host.'),
});

const schedule = z.object({
  name: dnsLabel(24).describe('Part of the names of the EtcdBackups that it makes.'),
  schedule: text(128, new RegExp(CRON_PATTERN), CRON_SAYS).describe('Five cron fields, such as `0 2 * * *`.'),
  timeZone: text(64, /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/, 'must be an IANA name such as Europe/Berlin')
    .optional()
    .describe('IANA name such as Europe/Berlin; UTC if absent.'),
  suspend: z.boolean().optional().describe('Makes no backups while true.'),
});

export const backupPolicy = z
  .object({
    store: z
      .object({ s3: s3.describe('S3 or a store that speaks it.') })
      .describe('Where backups go; schedules need it.'),
    schedules: z.array(schedule).max(16).default([]).meta(listMap('name')).describe('When backups are made.'),
  })
  .describe('Backups of the cluster.');

export type BackupPolicy = z.output<typeof backupPolicy>;
