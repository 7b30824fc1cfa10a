// SPDX-License-Identifier: Apache-2.0
// One backup, from the choice of a member to the manifest: nothing before the manifest counts, and failures leave nothing.
import { Readable } from 'node:stream';
import { EtcdError } from '../../etcd/errors.ts';
import { seconds } from '../../runtime/time.ts';
import type { Logger } from '../../telemetry/log.ts';
import { BackupError, OutcomeUnknown } from '../failures.ts';
import type { JobConfig } from '../jobconfig.ts';
import { backupPrefix, dataKey, isDataKey, type KeyParts, manifestKey } from '../keys.ts';
import { MAX_MANIFEST_BYTES, type Manifest, parseManifest } from '../manifest.ts';
import type { JobSuccess } from '../result.ts';
import { sourceFailure } from './source.ts';
import { BACKUP_MARK, cleanup, readBack, remove, type Stored, storeSnapshot, type TransferDeps } from './transfer.ts';

export interface BackupDeps extends TransferDeps {
  readonly log: Logger;
}

/** Members to try before giving up: one that restarts in the middle must not cost the backup. */
const SOURCE_TRIES = 3;
/** Leftovers of earlier attempts are few; a limit keeps a crowded bucket from holding up a backup that is done. */
const MAX_LEFTOVERS = 200;

/** Throws BackupError: what stopped it, of which every other failure is the echo, unless it may be complete all the same. */
export async function backUp(deps: BackupDeps): Promise<JobSuccess> {
  try {
    return await backUpOnce(deps);
  } catch (error) {
    throw deps.signal.aborted && !(error instanceof OutcomeUnknown) ? deps.signal.reason : error;
  }
}

async function backUpOnce(deps: BackupDeps): Promise<JobSuccess> {
  const parts = keyParts(deps.config);
  const startTime = seconds(new Date());
  const earlier = await readManifest(deps, parts).catch((e: unknown) => {
    // Whoever may not list is answered so for an object that is not there. Creating the manifest finds out for sure.
    if (e instanceof BackupError && e.reason === 'AccessDenied') return undefined;
    throw e;
  });
  if (earlier !== undefined) {
    deps.progress.step('an earlier attempt had finished this backup: its result is taken', {
      object: earlier.object.key,
    });
    return success(deps, parts, earlier);
  }
  const { stored, corrupt } = await fromAnyMember(deps, parts);
  await readBack(deps, stored).catch(async (error: unknown) => {
    // No manifest names it: this attempt has written none yet, and no other one knows its key.
    await remove(deps.store, stored.object);
    throw error;
  });
  const manifest = await orRemove(deps, stored, () => commit(deps, parts, stored, startTime));
  if (deps.config.attempt > 1) await sweep(deps, parts, manifest);
  return { ...success(deps, parts, manifest), ...(corrupt.length === 0 ? {} : { corrupt }) };
}

function keyParts({ backup, cluster, store }: JobConfig): KeyParts {
  return {
    prefix: store.s3.prefix,
    namespace: backup.namespace,
    cluster: cluster.name,
    clusterUid: cluster.uid,
    backupUid: backup.uid,
    created: backup.created,
  };
}

/** `corrupt` are the members whose snapshot did not match its own checksum: one bad disk costs no backup, and is told. */
async function fromAnyMember(deps: BackupDeps, parts: KeyParts): Promise<{ stored: Stored; corrupt: string[] }> {
  const tried = new Set<string>();
  const corrupt = new Map<string, BackupError>();
  for (let attempt = 1; ; attempt += 1) {
    const member = await deps.source.choose(tried, deps.signal);
    // There is no other one, and it would only send the same again.
    const before = corrupt.get(member.name);
    if (before !== undefined) throw before;
    try {
      const stored = await storeSnapshot(deps, dataKey(parts, member.status.revision, deps.config.attempt), member);
      return { stored, corrupt: [...corrupt.keys()] };
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      const failure = sourceFailure(error);
      if (attempt === SOURCE_TRIES) throw failure;
      if (failure.reason === 'SnapshotCorrupt') corrupt.set(member.name, failure);
      deps.log.warn(
        { member: member.name, attempt, error: error.message },
        'the member failed and nothing of it was kept; trying again',
      );
      tried.add(member.name);
    }
  }
}

/** An object that never gets its manifest is removed, if it is still the one that we created. */
async function orRemove<T>(deps: BackupDeps, stored: Stored, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const parts = keyParts(deps.config);
    // If the manifest may be there or still come, so must the object: a manifest without one would be a lie.
    if (error instanceof OutcomeUnknown) throw error;
    const manifest = await deps.store.head(manifestKey(parts), cleanup()).catch(() => 'unknown' as const);
    const removable = manifest === undefined || (error instanceof BackupError && error.reason === 'KeyTaken');
    if (removable) await remove(deps.store, stored.object);
    else deps.log.warn({ object: stored.object.key }, 'the object stays: whether its manifest exists is unknown');
    throw error;
  }
}

/** Creates the manifest, or finds it. If another attempt of this backup was faster, its manifest counts and our object goes. */
async function commit(deps: BackupDeps, parts: KeyParts, stored: Stored, startTime: string): Promise<Manifest> {
  const manifest = describe(deps.config, stored, startTime);
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
  try {
    await deps.store.create(manifestKey(parts), Readable.from([text]), {
      signal: deps.signal,
      contentType: 'application/json',
      decisive: true,
      metadata: { [BACKUP_MARK]: deps.config.backup.uid },
    });
    deps.progress.step('the manifest is written: the backup is complete', { object: manifest.object.key });
    return manifest;
  } catch (error) {
    const winner = await winnerAfter(deps, parts, error);
    if (winner === undefined) throw error;
    if (winner.object.key !== stored.object.key) await remove(deps.store, stored.object);
    return winner;
  }
}

/** The manifest that is there although creating it failed, if that can be. */
async function winnerAfter(deps: BackupDeps, parts: KeyParts, error: unknown): Promise<Manifest | undefined> {
  const taken = error instanceof BackupError && error.reason === 'KeyTaken';
  if (!taken && !(error instanceof OutcomeUnknown)) return undefined;
  // Also when told to stop: there may be no next attempt to find out that the backup is complete.
  const looking = readManifest({ ...deps, signal: cleanup() }, parts);
  return taken ? looking : looking.catch(() => undefined);
}

function describe(config: JobConfig, stored: Stored, startTime: string): Manifest {
  const { status, name } = stored.member;
  const { namespace, uid } = config.backup;
  return {
    kind: 'QuorateBackup',
    formatVersion: 1,
    backup: { namespace, name: config.backup.name, uid, attempt: config.attempt },
    cluster: { ...config.cluster, clusterId: status.clusterId },
    object: { key: stored.object.key, size: stored.object.size, sha256: stored.sha256, compression: 'zstd' },
    snapshot: {
      ...stored.snapshot,
      revision: status.revision.toString(),
      member: { id: status.memberId, name },
      etcdVersion: status.version,
    },
    startTime,
    completionTime: seconds(new Date()),
  };
}

/** The manifest of this very backup; `KeyTaken` if something else lies there, or if its object is not as it says. */
async function readManifest(deps: BackupDeps, parts: KeyParts): Promise<Manifest | undefined> {
  const key = manifestKey(parts);
  const body = await deps.store.open(key, deps.signal);
  if (body === undefined) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_MANIFEST_BYTES)
        throw new BackupError('KeyTaken', `what lies at ${key} is too large for a manifest`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw new BackupError('StoreUnreachable', 'the connection broke while the manifest was read', { cause: error });
  }
  const manifest = parseManifest(Buffer.concat(chunks).toString('utf8'));
  if (manifest?.backup.uid !== parts.backupUid || !isDataKey(parts, manifest.object.key)) {
    throw new BackupError('KeyTaken', `what lies at ${key} is not the manifest of this backup`);
  }
  const object = await deps.store.head(manifest.object.key, deps.signal);
  if (object?.size !== manifest.object.size) {
    throw new BackupError('KeyTaken', `there is a manifest at ${key}, but its object is missing or of another size`);
  }
  return manifest;
}

/** What earlier attempts left. Only now that the manifest stands, no attempt that is still alive can come to need it. */
async function sweep(deps: BackupDeps, parts: KeyParts, manifest: Manifest): Promise<void> {
  const { store, signal, log } = deps;
  const mine = (key: string): boolean => isDataKey(parts, key) && key !== manifest.object.key;
  try {
    await store.dropUploads(backupPrefix(parts), mine, signal);
    for (const { key } of await store.list(backupPrefix(parts), MAX_LEFTOVERS, signal)) {
      if (mine(key)) await store.removeIf(key, { [BACKUP_MARK]: parts.backupUid }, signal);
    }
  } catch (error) {
    log.warn(
      { error: error instanceof Error ? error.message : '' },
      'leftovers of earlier attempts could not be removed; the backup is complete',
    );
  }
}

function success(deps: BackupDeps, parts: KeyParts, m: Manifest): JobSuccess {
  return {
    ok: true,
    key: m.object.key,
    manifestKey: manifestKey(parts),
    location: deps.store.location,
    size: m.snapshot.size,
    compressedSize: m.object.size,
    sha256: m.object.sha256,
    snapshotSha256: m.snapshot.sha256,
    revision: m.snapshot.revision,
    member: m.snapshot.member.name,
    etcdVersion: m.snapshot.etcdVersion,
    clusterId: m.cluster.clusterId,
    startTime: m.startTime,
    completionTime: m.completionTime,
  };
}
