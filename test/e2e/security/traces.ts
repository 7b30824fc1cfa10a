// SPDX-License-Identifier: Apache-2.0
// Where a backup could leave a credential that no API shows: its process, and what it stores.
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { NODES } from '../../testbed/config.ts';
import type { ObjectStore } from '../../testbed/s3.ts';
import type { Environment } from '../harness/environment.ts';

/** Arguments and environment of a backup's process, as root of its node reads them while it runs. */
export async function processesOfJobs(environment: Environment, backup: string): Promise<string> {
  const script = `end=$(($(date +%s) + 60)); while [ $(date +%s) -lt $end ]; do
    for f in $(grep -lzx '[b]ackup' /proc/[0-9]*/cmdline 2>/dev/null); do
      p=\${f%/cmdline}
      if grep -qz '^HOSTNAME=${backup}-' $p/environ; then cat $p/cmdline $p/environ | tr '\\0' '\\n'; exit; fi
    done 2>/dev/null; sleep 0.1; done`;
  const found = NODES.map(async ({ name }) => {
    const seen = await environment.exec(name, ['sh', '-c', script]);
    if (seen === '') throw new Error(`no process of ${backup} on ${name}`);
    return seen;
  });
  return Promise.any(found).catch(String);
}

/** Bodies of the manifests and metadata of all objects below a prefix. */
export async function objectsOf(store: ObjectStore, Prefix: string): Promise<string> {
  const { endpoint, region, bucket: Bucket, accessKeyId, secretAccessKey } = store;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
  const texts = Contents.map(async ({ Key }) => {
    const { $metadata: _, ...head } = await client.send(new HeadObjectCommand({ Bucket, Key }));
    const body = Key?.endsWith('.json')
      ? await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()
      : '';
    return `${Key} ${JSON.stringify(head)} ${body}`;
  });
  return (await Promise.all(texts)).join('\n');
}
