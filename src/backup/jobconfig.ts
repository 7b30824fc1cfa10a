// SPDX-License-Identifier: Apache-2.0
// What the operator tells a backup Job: one JSON file, without secrets.
import { z } from 'zod';
import { MAX_JOBS } from './marks.ts';

/** Where the pod of a Job finds its files. */
export const JOB_DIR = '/etc/quorate/backup';
export const JOB_FILE = 'job.json';
export const TLS_DIR = '/etc/quorate/tls';
export const CREDENTIALS_DIR = '/etc/quorate/store';
export const CA_DIR = '/etc/quorate/store-ca';

const name = z.string().min(1).max(253);

export const jobConfigSchema = z.strictObject({
  version: z.literal(1),
  backup: z.strictObject({
    namespace: name,
    name,
    uid: z.uuid(),
    /** Creation time of the EtcdBackup. */
    created: z.iso.datetime(),
  }),
  cluster: z.strictObject({ name, uid: z.uuid() }),
  /** From 1; the Jobs that were replaced count. */
  attempt: z.int().min(1).max(MAX_JOBS),
  members: z
    .array(z.strictObject({ name, host: name, serverName: name, clientPort: z.int().min(1).max(65_535).optional() }))
    .min(1)
    .max(9),
  /** Directory with `ca.crt`, `tls.crt` and `tls.key`. */
  tlsDir: z.string(),
  store: z.strictObject({
    s3: z.strictObject({
      bucket: name,
      prefix: z.string().max(512),
      endpoint: z.string().max(2048).optional(),
      region: z.string().max(64).optional(),
      forcePathStyle: z.boolean(),
      credentialsDir: z.string(),
      caFile: z.string().optional(),
    }),
  }),
  /** Addresses and ranges; set by the operator, never by a custom resource. */
  egress: z.strictObject({ allow: z.array(z.string()), refuse: z.array(z.string()) }),
});

export type JobConfig = z.infer<typeof jobConfigSchema>;
