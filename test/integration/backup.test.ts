// SPDX-License-Identifier: Apache-2.0
// The backup program against real etcd and a real S3 server, on loopback: what is stored can be restored, and no failure leaves what looks like a backup.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobConfig } from '../../src/backup/jobconfig.ts';
import { clusterPrefix, dataKey, manifestKey } from '../../src/backup/keys.ts';
import { manifestSchema } from '../../src/backup/manifest.ts';
import type { JobSuccess } from '../../src/backup/result.ts';
import { fill } from './backup/fill.ts';
import { type JobOutcome, type JobSetup, jobConfig, partsOf, runJob, startJob } from './backup/jobs.ts';
import {
  connectTo,
  freePort,
  Processes,
  part,
  startEtcd,
  startStore,
  type TestEtcds,
  type TestStore,
} from './backup/processes.ts';

const run = promisify(execFile);
const MIB = 2 ** 20;
const processes = new Processes();
let dir: string;
let store: TestStore;
let etcds: TestEtcds;
let s3: S3Client;
let bucket: string;
let buckets = 0;

const setup = (o: Partial<JobSetup> = {}): JobSetup => ({ dir, etcds, store, bucket, ...o });

async function objects(name = bucket): Promise<string[]> {
  const answer = await s3.send(new ListObjectsV2Command({ Bucket: name }));
  return (answer.Contents ?? []).map((o) => o.Key ?? '').toSorted();
}

const uploads = async (): Promise<unknown[]> =>
  (await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? [];

const read = async (key: string): Promise<Buffer> => {
  const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
};

function succeeded(o: JobOutcome): JobSuccess {
  if (o.result?.ok !== true || o.code !== 0) throw new Error(`the job failed: ${o.log}`);
  return o.result;
}

/** The reason of a failure that was told with a remedy and without secrets; otherwise all that the job said. */
function reasonOf(o: JobOutcome): string {
  const told = `${o.log}${JSON.stringify(o.result)}`;
  if (o.result?.ok !== false || o.code !== 1 || told.includes(store.secretAccessKey)) return told;
  return o.result.reason;
}

const put = (Key: string, mark?: string) =>
  s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key,
      Body: 'x',
      ...(mark === undefined ? {} : { Metadata: { 'quorate-backup': mark } }),
    }),
  );

async function nothingStored(): Promise<void> {
  expect(await objects()).toEqual([]);
  expect(await uploads()).toEqual([]);
}

/** The operator allows no address that is refused otherwise. */
const noAllowance = (c: JobConfig): JobConfig => ({ ...c, egress: { allow: [], refuse: [] } });
const deadMembers = (c: JobConfig): JobConfig => ({ ...c, members: c.members.map((m) => ({ ...m, clientPort: 1 })) });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-backup-'));
  [store, etcds] = await Promise.all([startStore(processes, dir), startEtcd(processes, dir, { size: 3 })]);
  s3 = new S3Client({ region: 'us-east-1', endpoint: store.endpoint, forcePathStyle: true, credentials: store });
  // More than one part, so that every failure below meets a multipart upload.
  await fill(etcds, 96 * MIB);
});
afterAll(async () => {
  await processes.stop();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  buckets += 1;
  bucket = `backups-${buckets}`;
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
});

describe('a backup', () => {
  it('decompressed is an ordinary snapshot, from which etcdutl restores every key', async () => {
    const config = jobConfig(setup());
    const result = succeeded(await runJob(setup(), config));
    const parts = partsOf(config);
    expect(await objects()).toEqual([result.key, manifestKey(parts)].toSorted());
    expect(result.key).toBe(dataKey(parts, BigInt(result.revision), 1));
    const manifest = manifestSchema.parse(JSON.parse((await read(result.manifestKey)).toString()));
    expect(manifest).toMatchObject({
      backup: { uid: config.backup.uid },
      object: { key: result.key, size: result.compressedSize, sha256: result.sha256 },
      snapshot: { size: result.size, revision: result.revision, member: { name: result.member } },
    });
    const [compressed, snapshot, restored] = ['s.db.zst', 's.db', 'restored'].map((f) => join(dir, f)) as [
      string,
      string,
      string,
    ];
    await writeFile(compressed, await read(result.key));
    await run('zstd', ['-q', '-f', '-d', compressed, '-o', snapshot]);
    const etcdutl = part('etcd-3.6', 'etcdutl');
    const status = JSON.parse((await run(etcdutl, ['snapshot', 'status', snapshot, '-w', 'json'])).stdout) as {
      revision: number;
    };
    expect(String(status.revision)).toBe(result.revision);
    await run(etcdutl, ['snapshot', 'restore', snapshot, '--data-dir', restored]);
    const [clientPort, peerPort] = [await freePort(), await freePort()];
    const client = `http://127.0.0.1:${clientPort}`;
    const args = [
      '--data-dir',
      restored,
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
      '--log-level',
      'error',
    ];
    const child = processes.start(part('etcd-3.6', 'etcd'), [
      ...args,
      '--listen-peer-urls',
      `http://127.0.0.1:${peerPort}`,
    ]);
    const get = ['--endpoints', client, '--command-timeout', '20s', '--dial-timeout', '20s', 'get', '--prefix', '/'];
    const after = await run(part('etcd-3.6', 'etcdctl'), get, { maxBuffer: 2 ** 29 });
    await processes.kill(child);
    expect(after.stdout === (await etcds.etcdctl('get', '--prefix', '/'))).toBe(true);
  });

  it('comes from a follower, and from the leader when it is alone', async () => {
    const status = JSON.parse(await etcds.etcdctl('endpoint', 'status', '-w', 'json')) as {
      Status: { leader: bigint; header: { member_id: bigint } };
    }[];
    const leader = etcds.members[status.findIndex((s) => s.Status.leader === s.Status.header.member_id)];
    expect(succeeded(await runJob(setup())).member).not.toBe(leader?.name);
    const alone = setup({ change: (c) => ({ ...c, members: c.members.filter((m) => m.name === leader?.name) }) });
    expect(succeeded(await runJob(alone)).member).toBe(leader?.name);
  });

  it('that an earlier attempt had finished is adopted, not made twice', async () => {
    const config = jobConfig(setup());
    const first = succeeded(await runJob(setup(), config));
    const second = succeeded(await runJob(setup(), { ...config, attempt: 2 }));
    expect(second).toEqual(first);
    expect(await objects()).toHaveLength(2);
  });

  it('sweeps up what earlier attempts of its own left, and nothing else', async () => {
    const config = jobConfig(setup());
    const parts = partsOf(config);
    const other = partsOf(jobConfig(setup()));
    const [mine, unmarked, foreign] = [dataKey(parts, 1n, 1), dataKey(parts, 2n, 1), dataKey(other, 1n, 1)];
    await Promise.all([put(mine, config.backup.uid), put(unmarked), put(foreign, other.backupUid)]);
    const result = succeeded(await runJob(setup(), { ...config, attempt: 2 }));
    expect(await objects()).toEqual([result.key, result.manifestKey, unmarked, foreign].toSorted());
  });

  it('drops the unfinished uploads of its own earlier attempts, and no others', async () => {
    const config = jobConfig(setup());
    const [mine, foreign] = [config, jobConfig(setup())].map((c) => dataKey(partsOf(c), 1n, 1));
    for (const Key of [mine, foreign])
      await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key, ContentType: 'application/zstd' }));
    succeeded(await runJob(setup(), { ...config, attempt: 2 }));
    expect(await uploads()).toMatchObject([{ Key: foreign }]);
  });

  it('stays within its memory for a large database', async () => {
    const big = await startEtcd(processes, join(dir, 'big'), { size: 1 });
    await fill(big, 256 * MIB);
    const outcome = await runJob(setup({ etcds: big }));
    expect(succeeded(outcome).size).toBeGreaterThan(256 * MIB);
    expect(outcome.peakMiB).toBeLessThanOrEqual(200);
    await Promise.all(big.members.map((m) => processes.kill(m.child)));
  });
});

describe('a backup that fails', () => {
  it('for want of the bucket says so', async () => {
    expect(reasonOf(await runJob(setup({ bucket: 'no-such-bucket' })))).toBe('BucketNotFound');
  });

  it('for a wrong secret says so, and does not fall back on the environment', async () => {
    const env = { AWS_ACCESS_KEY_ID: store.accessKeyId, AWS_SECRET_ACCESS_KEY: store.secretAccessKey };
    expect(reasonOf(await runJob(setup({ secretAccessKey: 'wrong', env })))).toBe('CredentialsRejected');
    await nothingStored();
  });

  it('for a key that may not write says so', async () => {
    const user = { accessKeyId: 'reader', secretAccessKey: 'reader-secret' };
    const admin = [
      'admin',
      '--access',
      store.accessKeyId,
      '--secret',
      store.secretAccessKey,
      '--endpoint-url',
      store.endpoint,
    ];
    const create = ['create-user', '--access', user.accessKeyId, '--secret', user.secretAccessKey, '--role', 'user'];
    await run(part('versitygw', 'versitygw'), [...admin, ...create]);
    expect(reasonOf(await runJob(setup({ store: { ...store, ...user } })))).toBe('AccessDenied');
    await nothingStored();
  });

  it('for a store that nobody answers for says so', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    expect(reasonOf(await runJob(setup({ store: { ...store, endpoint } })))).toBe('StoreUnreachable');
  });

  it('for a name that does not resolve says so', async () => {
    expect(reasonOf(await runJob(setup({ store: { ...store, endpoint: 'http://store.invalid:9000' } })))).toBe(
      'StoreUnreachable',
    );
  });

  it.each([
    'http://127.0.0.1:1',
    'http://localhost:1',
    'http://2130706433:1',
    'http://[::1]:1',
    'http://169.254.169.254',
  ])('for the address %s, which is not allowed, connects to nothing', async (endpoint) => {
    const outcome = await runJob(setup({ store: { ...store, endpoint }, change: noAllowance }));
    expect(reasonOf(outcome)).toBe('EndpointForbidden');
  });

  it('for want of a quorum says so', async () => {
    expect(reasonOf(await runJob(setup({ change: deadMembers })))).toBe('SourceUnavailable');
    await nothingStored();
  });

  it('because an alarm does not say which member is corrupt says so', async () => {
    const client = await connectTo(etcds);
    await client.maintenance.alarm({ action: 'Activate', memberID: '0', alarm: 'Corrupt' });
    client.close();
    expect(reasonOf(await runJob(setup()))).toBe('CorruptAlarm');
    await etcds.etcdctl('alarm', 'disarm');
    await nothingStored();
  });

  it('because the name is taken leaves what lies there as it is', async () => {
    const config = jobConfig(setup());
    const Key = manifestKey(partsOf(config));
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'somebody else' }));
    expect(reasonOf(await runJob(setup(), config))).toBe('KeyTaken');
    expect(await objects()).toEqual([Key]);
    expect((await read(Key)).toString()).toBe('somebody else');
  });

  it('because the name of its object is taken leaves what lies there as it is', async () => {
    const config = jobConfig(setup());
    const status = JSON.parse(await etcds.etcdctl('endpoint', 'status', '-w', 'json')) as {
      Status: { header: { revision: number } };
    }[];
    const Key = dataKey(partsOf(config), BigInt(status[0]?.Status.header.revision ?? 0), 1);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'somebody else' }));
    expect(reasonOf(await runJob(setup(), config))).toBe('KeyTaken');
    expect(await objects()).toEqual([Key]);
    expect((await read(Key)).toString()).toBe('somebody else');
  });

  it('when it is told to stop aborts its upload', async () => {
    const job = await startJob(setup());
    await job.said('the snapshot begins');
    job.child.kill('SIGTERM');
    expect(reasonOf(await job.done)).toBe('Interrupted');
    await nothingStored();
  });

  it('because the store dies in the middle leaves nothing that looks complete', async () => {
    const job = await startJob(setup());
    await job.said('the snapshot begins');
    await processes.kill(store.child);
    expect(reasonOf(await job.done)).toBe('StoreUnreachable');
    const again = await startStore(processes, dir, { port: store.port });
    store.child = again.child;
    expect(await objects()).toEqual([]);
  });
});

describe('a member that dies in the middle', () => {
  it('is replaced by another one', async () => {
    const job = await startJob(setup());
    const name = /"member":"(m\d)"/.exec(await job.said('the snapshot begins'))?.[1];
    const victim = etcds.members.find((m) => m.name === name);
    if (victim === undefined) throw new Error('no member was named');
    await processes.kill(victim.child);
    const outcome = await job.done;
    expect(succeeded(outcome).member).not.toBe(victim.name);
    expect(outcome.log).toContain('the member failed and nothing of it was kept');
    expect(await objects()).toHaveLength(2);
    expect(await uploads()).toEqual([]);
    await victim.restart();
  });

  it('and is the only one fails the backup, and leaves nothing', async () => {
    const single = await startEtcd(processes, join(dir, 'single'), { size: 1 });
    await fill(single, 96 * MIB);
    const job = await startJob(setup({ etcds: single }));
    await job.said('the snapshot begins');
    await Promise.all(single.members.map((m) => processes.kill(m.child)));
    expect(reasonOf(await job.done)).toBe('SourceUnavailable');
    expect(await objects()).toEqual([]);
    expect(await uploads()).toEqual([]);
  });
});

describe('a store with a certificate of its own authority', () => {
  let secure: TestStore;
  const trusting = (c: JobConfig): JobConfig => ({
    ...c,
    store: { s3: { ...c.store.s3, caFile: join(etcds.tlsDir, 'ca.crt') } },
  });
  beforeAll(async () => {
    secure = await startStore(processes, join(dir, 'secure'), { tlsDir: etcds.tlsDir });
  });
  beforeEach(() => mkdir(join(secure.root, bucket)));
  const stored = async (): Promise<string[]> =>
    (await readdir(join(secure.root, bucket), { recursive: true, withFileTypes: true }))
      .filter((f) => f.isFile())
      .map((f) => f.name);

  it('takes a backup from whoever trusts it', async () => {
    const result = succeeded(await runJob(setup({ store: secure, change: trusting })));
    expect(await stored()).toContain(basename(result.key));
  });

  it('is refused by whoever does not, and nothing is sent', async () => {
    expect(reasonOf(await runJob(setup({ store: secure })))).toBe('StoreCertificateInvalid');
    expect(await stored()).toEqual([]);
  });
});

describe('the folder of a cluster', () => {
  it('is all that its backups touch', async () => {
    const config = jobConfig(setup());
    succeeded(await runJob(setup(), config));
    expect((await objects()).every((key) => key.startsWith(clusterPrefix(partsOf(config))))).toBe(true);
  });
});
