// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of a spec, and refuses what the schema cannot: combinations that cannot work.
import { memoized } from '../runtime/memo.ts';
import { clusterSpec, type EffectiveCluster, type EffectiveSpecFailure, type EtcdCluster } from './cluster.ts';
import {
  AFFINITY_BYTES,
  AFFINITY_LEVELS,
  ELECTION,
  HEARTBEAT,
  LOG_RESERVE,
  QUOTA,
  REQUEST,
  STORAGE,
} from './limits.ts';
import { CLUSTER_NAME, CLUSTER_NAME_SAYS, MAX_CLUSTER_NAME } from './names.ts';
import { durationMs, quantityBytes } from './quantities.ts';
import { versionRefusal } from './versions.ts';

const MIB = 1024n ** 2n;
const RESERVE = quantityBytes(LOG_RESERVE);

type Parsed = Omit<EffectiveCluster, 'etcd'> & {
  etcd: Omit<EffectiveCluster['etcd'], 'quota'> & { quota?: string | undefined };
};
/** Why not; undefined if nothing is wrong. */
type Check = (spec: Parsed) => EffectiveSpecFailure | undefined;

const refuse = (field: string, message: string): EffectiveSpecFailure => ({ ok: false, field, message });

/**
 * The spec with every default filled in, or the field that stands against it, the allowed range and the remedy. The API
 * server holds the same rules; this is for objects that were stored before a rule came to be. Never throws. Worked out
 * once for each object.
 */
export const effectiveSpec = memoized(parse);

function parse(cluster: EtcdCluster): { readonly ok: true; readonly spec: EffectiveCluster } | EffectiveSpecFailure {
  const { name } = cluster.metadata;
  if (name.length > MAX_CLUSTER_NAME || !CLUSTER_NAME.test(name)) {
    return refuse('metadata.name', `"${name}" ${CLUSTER_NAME_SAYS}`);
  }
  const parsed = clusterSpec.safeParse(cluster.spec);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const said = issue?.code === 'invalid_key' ? issue.issues[0] : issue;
    return refuse(pathOf(issue?.path ?? []), said?.message ?? 'is not valid');
  }
  const spec: Parsed = parsed.data;
  for (const check of CHECKS) {
    const failure = check(spec);
    if (failure !== undefined) return failure;
  }
  const quota = spec.etcd.quota ?? `${fittingQuota(quantityBytes(spec.storage.size)) / MIB}Mi`;
  return { ok: true, spec: { ...spec, etcd: { ...spec.etcd, quota } } };
}

/** As kubectl prints it: `spec.tls.clientCertificates[0].name`. */
const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((at, key) => (typeof key === 'number' ? `${at}[${key}]` : `${at}.${String(key)}`), 'spec');

/**
 * What the volume can hold twice beside the log, because defragmentation writes a second copy of the database; a
 * sixteenth of the volume goes to its file system.
 */
const fittingQuota = (size: bigint): bigint => {
  const half = (((size / 16n) * 15n - RESERVE) / 2n / MIB) * MIB;
  const usual = quantityBytes(QUOTA.default);
  return half < usual ? half : usual;
};

const outside = (value: bigint | number, min: bigint | number, max: bigint | number): boolean =>
  value < min || value > max;

const byteRange = (field: string, value: string, range: { min: string; max: string }) =>
  outside(quantityBytes(value), quantityBytes(range.min), quantityBytes(range.max))
    ? refuse(field, `${value} must be between ${range.min} and ${range.max}`)
    : undefined;

function version(spec: Parsed): EffectiveSpecFailure | undefined {
  const message = versionRefusal(spec.version);
  return message === undefined ? undefined : refuse('spec.version', message);
}

function space(spec: Parsed): EffectiveSpecFailure | undefined {
  const { quota } = spec.etcd;
  const { size } = spec.storage;
  const failure =
    byteRange('spec.storage.size', size, STORAGE) ??
    (quota === undefined ? undefined : byteRange('spec.etcd.quota', quota, QUOTA));
  if (failure !== undefined || quota === undefined) return failure;
  const need = 2n * quantityBytes(quota) + RESERVE;
  if (need <= quantityBytes(size)) return undefined;
  return refuse(
    'spec.etcd.quota',
    `${quota} needs a volume of ${(need + MIB - 1n) / MIB}Mi (twice the quota, because defragmentation writes a copy, and ${LOG_RESERVE} of log), but spec.storage.size is ${size}; lower the quota or enlarge the storage`,
  );
}

const requests: Check = (spec) => byteRange('spec.etcd.maxRequestBytes', spec.etcd.maxRequestBytes, REQUEST);

function timing({ etcd }: Parsed): EffectiveSpecFailure | undefined {
  const [heartbeat, election] = [durationMs(etcd.heartbeatInterval), durationMs(etcd.electionTimeout)];
  if (outside(heartbeat, durationMs(HEARTBEAT.min), durationMs(HEARTBEAT.max))) {
    const range = `between ${HEARTBEAT.min} and ${HEARTBEAT.max}`;
    return refuse('spec.etcd.heartbeatInterval', `${etcd.heartbeatInterval} must be ${range}`);
  }
  const least = ELECTION.heartbeats * heartbeat;
  if (!outside(election, least, durationMs(ELECTION.max))) return undefined;
  return refuse(
    'spec.etcd.electionTimeout',
    `${etcd.electionTimeout} must be between five times heartbeatInterval (${least}ms) and ${ELECTION.max}`,
  );
}

function compaction({ etcd }: Parsed): EffectiveSpecFailure | undefined {
  const { mode, retention } = etcd.autoCompaction;
  if (retention === '0' || (mode === 'Periodic') === /[smh]$/.test(retention)) return undefined;
  const form = mode === 'Periodic' ? 'a duration such as 5m' : 'a number of revisions such as 1000';
  return refuse('spec.etcd.autoCompaction.retention', `${retention} must be ${form} with mode ${mode}, or 0 for none`);
}

/** Counts without recursion: whoever follows a hostile value down runs out of stack. */
function deeperThan(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; depth <= levels && level.length > 0; depth += 1) {
    level = level.flatMap((v): unknown[] => (typeof v === 'object' && v !== null ? Object.values(v) : []));
  }
  return level.length > 0;
}

function affinity({ pods }: Parsed): EffectiveSpecFailure | undefined {
  if (deeperThan(pods.affinity, AFFINITY_LEVELS)) {
    return refuse('spec.pods.affinity', `must have at most ${AFFINITY_LEVELS} levels`);
  }
  const bytes = JSON.stringify(pods.affinity ?? {}).length;
  if (bytes <= AFFINITY_BYTES) return undefined;
  return refuse('spec.pods.affinity', `has ${bytes} bytes of JSON and must have at most ${AFFINITY_BYTES}`);
}

function names(spec: Parsed): EffectiveSpecFailure | undefined {
  const lists: [string, readonly { name: string }[]][] = [
    ['spec.tls.clientCertificates', spec.tls.clientCertificates],
    ['spec.image.pullSecrets', spec.image.pullSecrets],
    ['spec.backup.schedules', spec.backup?.schedules ?? []],
  ];
  for (const [field, list] of lists) {
    const twice = list.find((item, i) => list.findIndex((other) => other.name === item.name) !== i);
    if (twice !== undefined) return refuse(field, `${twice.name} is there twice; names must be unique`);
  }
  return undefined;
}

const CHECKS: readonly Check[] = [version, space, requests, timing, compaction, affinity, names];
