// SPDX-License-Identifier: Apache-2.0
// Snapshots of a real database of some 64 MB: whole, damaged on the way, cut short, cancelled, and with the source killed.
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemberClient } from '../../src/etcd/client.ts';
import { SnapshotVerifier } from '../../src/etcd/snapshot.ts';
import { until } from '../e2e/harness/until.ts';
import { LocalCluster } from './etcd/local-cluster.ts';

const run = promisify(execFile);
const VALUES = 64;
const VALUE_BYTES = 1 << 20;

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

/** Passes bytes through `change`, which is told the position of each chunk. */
function altered(change: (chunk: Buffer, position: number) => Buffer): Transform {
  let position = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = position;
      position += chunk.length;
      done(null, change(chunk, at));
    },
  });
}

describe.each(['3.5', '3.6', '3.7'])('a snapshot from etcd %s', (minor) => {
  let cluster: LocalCluster;
  let client: MemberClient;
  const storageVersion = minor === '3.5' ? '' : `${minor}.0`;

  beforeAll(async () => {
    cluster = await LocalCluster.start(minor);
    client = new MemberClient(cluster.endpoint(1), cluster.tls);
    const user = cluster.user();
    for (let i = 0; i < VALUES; i += 1) await user.put(`k${i}`).value(Buffer.alloc(VALUE_BYTES, i));
    user.close();
    await client.read();
    // etcd stores its version some moments after its start; a snapshot that comes before has none.
    await until('the database tells its version', {
      within: 30_000,
      read: async () => {
        const stream = await client.snapshot();
        stream.destroy();
        return stream.storageVersion;
      },
      holds: (told) => told === storageVersion || `it is "${told}"`,
    });
  });

  afterAll(async () => {
    client?.close();
    await cluster?.stop();
  });

  it('passes verification, is as long as announced, and is one that etcdutl reads', async () => {
    const file = path.join(cluster.folder, 'snapshot.db');
    const [stream, verifier] = [await client.snapshot(), new SnapshotVerifier()];
    await pipeline(stream, verifier, createWriteStream(file));
    expect(verifier).toMatchObject({ ok: true, size: stream.announcedSize });
    expect(verifier.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(verifier.size).toBeGreaterThan(VALUES * VALUE_BYTES);
    expect(stream.storageVersion).toBe(storageVersion);
    const { stdout } = await run(path.join(cluster.bin, 'etcdutl'), ['snapshot', 'status', file, '-w', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ revision: VALUES + 1 });
  });

  it.each([
    ['a bit is flipped in the trailer', (size: number) => flipAt(size - 1), /does not match the checksum/],
    ['a bit is flipped in the middle', (size: number) => flipAt(size >> 1), /does not match the checksum/],
    ['the trailer is missing', (size: number) => cutAt(size - 32), /has no checksum at its end/],
    ['it is cut somewhere', (size: number) => cutAt(size - 100_000), /has no checksum at its end/],
    ['it is cut 32 bytes after a page', (size: number) => cutAt(size - 4096 * 5), /does not match the checksum/],
    ['nothing of it arrives', () => cutAt(0), /has no checksum at its end/],
  ])('is refused when %s', async (_what, damage, message) => {
    const [stream, verifier] = [await client.snapshot(), new SnapshotVerifier()];
    const change = altered(damage(stream.announcedSize));
    await expect(pipeline(stream, change, verifier, nowhere())).rejects.toMatchObject({ code: 'DataCorrupt', message });
    expect(verifier.ok).toBe(false);
  });

  it('keeps little in memory for a reader that stops reading', async () => {
    const stream = await client.snapshot();
    const before = process.memoryUsage().rss;
    stream.read(1);
    // A call on another connection returns after the member has filled every buffer that it may fill.
    for (let i = 0; i < 200; i += 1) await client.status();
    expect(stream.readableLength).toBeLessThan(3 << 20);
    expect(process.memoryUsage().rss - before).toBeLessThan(32 << 20);
    stream.destroy();
  });

  it('ends with an error when it is cancelled, before and within', async () => {
    const stop = new AbortController();
    const stream = await client.snapshot({ signal: stop.signal });
    const sink = new Writable({
      write: (_chunk, _encoding, done) => {
        stop.abort();
        done();
      },
    });
    await expect(pipeline(stream, sink)).rejects.toMatchObject({ name: 'EtcdError', code: 'Cancelled' });
    await expect(client.snapshot({ signal: stop.signal })).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('fails when the member falls silent in the middle', async () => {
    const stream = await client.snapshot({ timeoutMs: 500 });
    let paused: Promise<void> | undefined;
    const stall = altered((chunk, at) => {
      if (at > 1 << 20) paused ??= cluster.pause(1);
      return chunk;
    });
    await expect(pipeline(stream, stall, new SnapshotVerifier(), nowhere())).rejects.toMatchObject({
      code: 'DeadlineExceeded',
    });
    await paused;
    await expect(client.snapshot({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    cluster.resume(1);
  });

  it('fails when the member is killed in the middle', async () => {
    const [stream, verifier] = [await client.snapshot(), new SnapshotVerifier()];
    let killed: Promise<void> | undefined;
    const killer = altered((chunk, at) => {
      if (at > 1 << 20) killed ??= cluster.kill(1);
      return chunk;
    });
    await expect(pipeline(stream, killer, verifier, nowhere())).rejects.toMatchObject({
      name: 'EtcdError',
      code: 'Unavailable',
      message: /^orders-1: snapshot: /,
    });
    expect(verifier.ok).toBe(false);
    await killed;
    await expect(client.snapshot()).rejects.toMatchObject({ code: 'Unavailable' });
  });
});

const flipAt =
  (target: number) =>
  (chunk: Buffer, at: number): Buffer => {
    if (target < at || target >= at + chunk.length) return chunk;
    const copy = Buffer.from(chunk);
    copy[target - at] = (copy[target - at] ?? 0) ^ 1;
    return copy;
  };

const cutAt =
  (end: number) =>
  (chunk: Buffer, at: number): Buffer =>
    chunk.subarray(0, Math.max(0, end - at));
