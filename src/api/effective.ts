// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of a spec, and refuses what the schema cannot: combinations that cannot work.
import { clusterSpec, type EffectiveCluster, type EffectiveSpecFailure, type EtcdCluster } from './cluster.ts';
import { MAX_CLUSTER_NAME } from './names.ts';
import { durationMs, quantityBytes } from './quantities.ts';
import { versionRefusal } from './versions.ts';

const MIB = 1024n ** 2n;
/** Smallest volume. */
const MIN_STORAGE = 256n * MIB;
/** Write-ahead log and snapshots beside the database. */
const LOG_BYTES = 64n * MIB;
const DEFAULT_QUOTA = 2048n * MIB;

const refuse = (field: string, message: string): EffectiveSpecFailure => ({ ok: false, field, message });

export function effectiveSpec(
  cluster: EtcdCluster,
): { readonly ok: true; readonly spec: EffectiveCluster } | EffectiveSpecFailure {
  const { name } = cluster.metadata;
  if (name.length > MAX_CLUSTER_NAME || !/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) {
    return refuse(
      'metadata.name',
      `"${name}" must start with a letter, hold only lower-case letters, digits and dashes, and have at most ${MAX_CLUSTER_NAME} characters, because Services and labels are named after it`,
    );
  }
  const parsed = clusterSpec.safeParse(cluster.spec);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(`spec.${issue?.path.join('.') ?? ''}`, issue?.message ?? 'is not valid');
  }
  const spec = parsed.data;
  const size = quantityBytes(spec.storage.size);
  const quota = spec.etcd.quota === undefined ? fittingQuota(size) : quantityBytes(spec.etcd.quota);
  const failure =
    versionFailure(spec.version) ?? storageFailure(size, quota, spec.storage.size) ?? timingFailure(spec.etcd);
  if (failure !== undefined) return failure;
  const text = spec.etcd.quota ?? `${quota / MIB}Mi`;
  return { ok: true, spec: { ...spec, etcd: { ...spec.etcd, quota: text } } };
}

/** Defragmentation writes a second copy of the database beside the first. */
const fittingQuota = (size: bigint): bigint => {
  const half = (size - LOG_BYTES) / 2n;
  return half < DEFAULT_QUOTA ? (half / MIB) * MIB : DEFAULT_QUOTA;
};

function versionFailure(version: string): EffectiveSpecFailure | undefined {
  const message = versionRefusal(version);
  return message === undefined ? undefined : refuse('spec.version', message);
}

function storageFailure(size: bigint, quota: bigint, text: string): EffectiveSpecFailure | undefined {
  if (size < MIN_STORAGE) return refuse('spec.storage.size', `${text} is too small; at least 256Mi`);
  if (quota < 16n * MIB) return refuse('spec.etcd.quota', `${quota} bytes are too few; at least 16Mi`);
  if (2n * quota + LOG_BYTES <= size) return undefined;
  const need = (2n * quota + LOG_BYTES + MIB - 1n) / MIB;
  return refuse(
    'spec.etcd.quota',
    `a database of ${quota / MIB}Mi needs a volume of ${need}Mi (twice its size, because defragmentation writes a copy, and 64Mi of log), but spec.storage.size is ${text}; lower the quota or enlarge the storage`,
  );
}

function timingFailure(etcd: { heartbeatInterval: string; electionTimeout: string }): EffectiveSpecFailure | undefined {
  const [heartbeat, election] = [durationMs(etcd.heartbeatInterval), durationMs(etcd.electionTimeout)];
  if (heartbeat < 1)
    return refuse('spec.etcd.heartbeatInterval', `${etcd.heartbeatInterval} is too short; at least 1ms`);
  if (election >= 5 * heartbeat && election <= 50_000) return undefined;
  return refuse(
    'spec.etcd.electionTimeout',
    `${etcd.electionTimeout} must be between five times the heartbeat interval (${5 * heartbeat}ms) and 50s`,
  );
}
