// SPDX-License-Identifier: Apache-2.0
// What members are formed with: taken from the spec, kept in the record and on the claims, and compared by its meaning.
import { isDeepStrictEqual } from 'node:util';
import { clusterSpec, type EffectiveCluster } from '../api/cluster.ts';
import { DURATION_PATTERN, durationMs, quantityNanos } from '../api/quantities.ts';
import { memoized } from '../runtime/memo.ts';

/** An edit of any of these needs members to restart, the membership to change, or volumes to grow. */
export type Formation = Pick<EffectiveCluster, 'version' | 'image' | 'etcd' | 'quota' | 'pods'> & {
  readonly replicas: number;
  readonly storage: Omit<EffectiveCluster['storage'], 'retentionPolicy'>;
};

/** The part that claims repeat as one text; of the rest, the storage is the claim's own, and the others have their names. */
type Options = Pick<Formation, 'image' | 'etcd' | 'quota' | 'pods'>;

const OPTIONS = clusterSpec.pick({ image: true, etcd: true, pods: true });

/** Formation of the spec as it stands now. */
export function formationOf(spec: EffectiveCluster): Formation {
  const { replicas, version, image, etcd, quota, pods } = spec;
  const { retentionPolicy: _, ...storage } = spec.storage;
  // Through JSON, so that it compares equal to what comes back from the record.
  return JSON.parse(JSON.stringify({ replicas, version, image, storage, etcd, quota, pods })) as Formation;
}

/** What was recorded before a field came to be has that field's default: a new field is no edit. */
export const completed = (recorded: Formation): Formation => ({ ...recorded, ...OPTIONS.safeParse(recorded).data });

/** Always the same text for the same options. */
export function encodeOptions({ image, etcd, quota, pods }: Formation): string {
  const sorted = (_: string, v: unknown): unknown =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : v;
  return JSON.stringify({ image, etcd, quota, pods }, sorted);
}

/** Undefined for what is absent, or not what `encodeOptions` wrote: claims carry no checksum. */
export function decodeOptions(text: string | undefined): Options | undefined {
  try {
    const value = JSON.parse(text ?? '') as Partial<Options>;
    const { data } = OPTIONS.safeParse(value);
    const { quota } = value;
    return data === undefined || typeof quota !== 'string' || quantityNanos(quota) === undefined
      ? undefined
      : { ...data, quota };
  } catch {
    return undefined;
  }
}

/**
 * The formation that the spec asks for. What the user has left to us both times stays as the cluster was formed: a
 * default that we work out differently one day must not look like an edit.
 */
function wantedFormation(spec: EffectiveCluster, recorded: Formation): Formation {
  const wanted = formationOf(spec);
  const left = wanted.etcd.quota === undefined && recorded.etcd.quota === undefined;
  return left ? { ...wanted, quota: recorded.quota } : wanted;
}

const QUANTITIES = /^spec\.(storage\.size|etcd\.(quota|maxRequestBytes)|pods\.resources\.(requests|limits)\.[^.]+)$/;
const DURATIONS = /^spec\.etcd\.(heartbeatInterval|electionTimeout|autoCompaction\.retention)$/;
const DURATION = new RegExp(DURATION_PATTERN);

/** With quantities and durations as numbers, however they were written. */
function meaning(path: string, value: unknown): unknown {
  if (typeof value === 'string') {
    if (QUANTITIES.test(path)) return quantityNanos(value) ?? value;
    return DURATIONS.test(path) && DURATION.test(value) ? durationMs(value) : value;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, meaning(`${path}.${key}`, v)]));
}

const show = (v: unknown): string => {
  if (v === undefined) return 'unset';
  return typeof v === 'string' ? v : JSON.stringify(v).slice(0, 80);
};

/** Differences by path, to the depth that a user edits: `spec.etcd.quota`, `spec.pods.resources`. */
function differences(from: object, to: object, path: string, depth: number): string[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted();
  return keys.flatMap((key) => {
    const [a, b] = [(from as Record<string, unknown>)[key], (to as Record<string, unknown>)[key]];
    const at = `${path}.${key}`;
    if (isDeepStrictEqual(meaning(at, a), meaning(at, b))) return [];
    const nested = depth > 1 && [a, b].every((v) => typeof v === 'object' && v !== null && !Array.isArray(v));
    if (nested) return differences(a as object, b as object, at, depth - 1);
    return [`${at} (${show(a)} → ${show(b)})`];
  });
}

/** As a user knows it: the quota in force is that of etcd, whoever chose it. */
const asSpec = ({ quota, ...rest }: Formation): object => ({ ...rest, etcd: { ...rest.etcd, quota } });

/** What of the spec the members were not formed with: `spec.etcd.quota (2Gi → 4Gi)`. Empty if that is nothing. */
export const edits = (spec: EffectiveCluster, recorded: Formation): string[] => editsOf(recorded)(spec);

const editsOf = memoized((recorded: Formation) =>
  memoized((spec: EffectiveCluster) =>
    differences(asSpec(recorded), asSpec(wantedFormation(spec, recorded)), 'spec', 2),
  ),
);
