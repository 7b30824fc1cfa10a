// SPDX-License-Identifier: Apache-2.0
// What a person does to back a cluster up: save a snapshot to disk, compress it, upload the file with the SDK's uploader.
import { execFileSync } from 'node:child_process';
import { createReadStream, statSync } from 'node:fs';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

const setting = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};
const snapshot = '/scratch/snapshot.db';
const tls = ['--cacert=/tls/ca.crt', '--cert=/tls/tls.crt', '--key=/tls/tls.key'];

const started = Date.now();
execFileSync('etcdctl', [`--endpoints=${setting('ETCD_ENDPOINT')}`, ...tls, 'snapshot', 'save', snapshot], {
  stdio: 'ignore',
});
const saved = Date.now();
execFileSync('zstd', ['-q', snapshot]);
const compressed = Date.now();
const client = new S3Client({
  endpoint: setting('S3_ENDPOINT'),
  region: setting('S3_REGION'),
  forcePathStyle: true,
  credentials: { accessKeyId: setting('S3_ACCESS_KEY_ID'), secretAccessKey: setting('S3_SECRET_ACCESS_KEY') },
});
const params = { Bucket: setting('S3_BUCKET'), Key: setting('S3_KEY'), Body: createReadStream(`${snapshot}.zst`) };
new Upload({ client, params })
  .done()
  .then(() => {
    const uploaded = Date.now();
    const result = {
      msg: 'uploaded',
      saveMs: saved - started,
      compressMs: compressed - saved,
      uploadMs: uploaded - compressed,
      totalMs: uploaded - started,
      snapshotBytes: statSync(snapshot).size,
      objectBytes: statSync(`${snapshot}.zst`).size,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  })
  .catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  });
