// SPDX-License-Identifier: Apache-2.0
// Moves one snapshot from a member into the store, and reads it back: the streams, in flat memory.
import { createHash } from 'node:crypto';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { EtcdError } from '../../etcd/errors.ts';
import { SnapshotVerifier } from '../../etcd/snapshot.ts';
import { BackupError } from '../failures.ts';
import type { JobConfig } from '../jobconfig.ts';
import type { BackupStore, CreatedObject } from '../stores/store.ts';
import { Digest } from './digest.ts';
import { feed } from './feed.ts';
import type { Choice } from './pick.ts';
import type { Progress } from './progress.ts';
import type { Source } from './source.ts';

/** Metadata key under which an object carries the UID of its backup. */
export const BACKUP_MARK = 'quorate-backup';
/** As much as one batch can become, so that a batch is one trip to the thread and back. */
const CHUNK_BYTES = 2 ** 20;
const COLLECT_BYTES = 8 * 2 ** 20;
/** A third of the work of zstd's default level for a few per cent of size: what is read from etcd should not wait for it. */
const LEVEL = 2;
const CLEANUP_MS = 30_000;

export interface TransferDeps {
  readonly config: JobConfig;
  readonly source: Source;
  readonly store: BackupStore;
  readonly progress: Progress;
  /** Its reason is a BackupError. */
  readonly signal: AbortSignal;
}

export interface Stored {
  readonly object: CreatedObject;
  /** Of the bytes in the store. */
  readonly sha256: string;
  readonly member: Choice;
  /** Of the bytes that the member sent: all of them, and the database without its checksum. */
  readonly snapshot: { readonly size: number; readonly sha256: string };
}

/** Throws EtcdError for failures of the member, BackupError for those of the store; nothing is stored then. */
export async function storeSnapshot(deps: TransferDeps, key: string, member: Choice): Promise<Stored> {
  const { store, progress, config, signal } = deps;
  const { stream } = await deps.source.open(member, signal);
  const revision = member.status.revision.toString();
  progress.step('the snapshot begins', { member: member.name, bytes: stream.announcedSize, revision, object: key });
  const verifier = new SnapshotVerifier();
  const compressor = createZstdCompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const digest = new Digest();
  progress.read = () => verifier.size;
  progress.stored = 0;
  const flowing = flow(stream, verifier, compressor, digest, signal);
  const storing = store.create(key, digest, {
    signal,
    contentType: 'application/zstd',
    metadata: { [BACKUP_MARK]: config.backup.uid },
    expectedBytes: stream.announcedSize,
    onProgress: (bytes) => {
      progress.stored += bytes;
    },
  });
  const [flowed, stored] = await Promise.allSettled([flowing, storing]);
  // What stops the backup may come just after the last byte was stored.
  if (stored.status === 'fulfilled' && (signal.aborted || flowed.status === 'rejected'))
    await remove(store, stored.value);
  if (signal.aborted) throw signal.reason;
  // A member that dies tears down the upload with it: its error is the cause, the store's the echo.
  if (flowed.status === 'rejected' && flowed.reason instanceof EtcdError) throw flowed.reason;
  if (stored.status === 'rejected') throw stored.reason;
  if (flowed.status === 'rejected')
    throw new BackupError('Unexpected', 'the stream of the snapshot broke', { cause: flowed.reason });
  const snapshot = { size: verifier.size, sha256: verifier.sha256 ?? '' };
  progress.step('stored', { bytes: stored.value.size, snapshotBytes: snapshot.size });
  return { object: stored.value, sha256: digest.sha256, member, snapshot };
}

/** A deadline of its own: what is to be removed is so also when the backup was told to stop. */
export const cleanup = (): AbortSignal => AbortSignal.timeout(CLEANUP_MS);

/** Never rejects: the failure that led here is the one to tell. */
export const remove = async (store: BackupStore, o: CreatedObject): Promise<void> => {
  await store.removeIf(o.key, o.metadata, cleanup()).catch(() => undefined);
};

/** Rejects with the first failure of any of them, after all are destroyed. */
async function flow(
  stream: Readable,
  verifier: SnapshotVerifier,
  compressor: Transform,
  digest: Digest,
  signal: AbortSignal,
): Promise<void> {
  const compressing = pipeline(compressor, digest, { signal });
  compressing.catch(() => undefined);
  try {
    await pipeline(stream, verifier, (source: AsyncIterable<Buffer>) => feed(source, compressor), { signal });
  } catch (error) {
    compressor.destroy(error instanceof Error ? error : undefined);
    throw error;
  }
  await compressing;
}

/**
 * Reads the whole object again and compares its sum: what lies there is what was sent. Decompressing it too would cost
 * as much as the backup itself; the frame carries a checksum of its content for whoever does. Throws BackupError.
 */
export async function readBack(deps: TransferDeps, stored: Stored): Promise<void> {
  const { store, progress, signal } = deps;
  const body = await store.open(stored.object.key, signal);
  if (body === undefined) throw new BackupError('ReadBackMismatch', 'the object is not there when it is read again');
  const hash = createHash('sha256');
  let size = 0;
  let collected = 0;
  progress.checked = () => size;
  // The upload's buffers go first. After that the engine would weigh the small handles of what is read, and not the
  // megabytes behind them: where it may be asked to collect (`--expose-gc`), it is.
  globalThis.gc?.();
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
      if (size - collected < COLLECT_BYTES) continue;
      collected = size;
      globalThis.gc?.({ type: 'minor' });
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new BackupError('StoreUnreachable', 'the connection broke while the object was read again', { cause: error });
  }
  if (hash.digest('hex') !== stored.sha256 || size !== stored.object.size) {
    const message = `${stored.object.size} bytes were sent, and ${size} with another SHA-256 came back`;
    throw new BackupError('ReadBackMismatch', message);
  }
  progress.step('read back: the same bytes');
}
