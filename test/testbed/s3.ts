// SPDX-License-Identifier: Apache-2.0
// The object store of the testbed: its bucket, and how people, scripts and pods reach it.

import { writeFile } from 'node:fs/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { FILES, S3_BUCKET, S3_PORT } from './config.ts';
import { until } from './run.ts';
import type { Settings } from './settings.ts';

export interface ObjectStore {
  /** On 127.0.0.1. */
  readonly endpoint: string;
  /** For pods. */
  readonly endpointInCluster: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export const objectStore = (settings: Settings): ObjectStore => ({
  endpoint: `http://127.0.0.1:${settings.s3Port}`,
  endpointInCluster: `http://s3.testbed.svc:${S3_PORT}`,
  bucket: S3_BUCKET,
  region: 'us-east-1',
  accessKeyId: settings.s3AccessKey,
  secretAccessKey: settings.s3SecretKey,
});

/** Waits for the store and makes the bucket; writes `.testbed/s3.env`. */
export async function ensureBucket(store: ObjectStore): Promise<void> {
  const { endpoint, region, accessKeyId, secretAccessKey } = store;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    await until('an answer of the object store', async () => {
      try {
        await client.send(new CreateBucketCommand({ Bucket: store.bucket }), {
          abortSignal: AbortSignal.timeout(5000),
        });
      } catch (error) {
        if (!['BucketAlreadyOwnedByYou', 'BucketAlreadyExists'].includes((error as Error).name)) throw error;
      }
      return true;
    });
  } finally {
    client.destroy();
  }
  const text = `S3_ENDPOINT=${endpoint}
S3_ENDPOINT_IN_CLUSTER=${store.endpointInCluster}
S3_BUCKET=${store.bucket}
S3_REGION=${region}
AWS_REGION=${region}
AWS_ACCESS_KEY_ID=${accessKeyId}
AWS_SECRET_ACCESS_KEY=${secretAccessKey}
`;
  await writeFile(FILES.s3Env, text, { mode: 0o600 });
}
