// SPDX-License-Identifier: Apache-2.0
// The identity of a cluster: which data its members may open, and whether a member may still start on an empty directory.
//
// The record lives in the ConfigMap `<cluster>-config`; the parts of it that must outlive the EtcdCluster object are
// repeated in annotations of the claims. Creating the ConfigMap by POST is the one compare-and-set that decides to
// bootstrap: it happens before any other object of the cluster exists.
import { createHash, randomBytes } from 'node:crypto';
import { ANNOTATIONS, claimName } from '../api/names.ts';
import type { ConfigMap, PersistentVolumeClaim } from '../runtime/resources.ts';
import { completed, decodeOptions, type Formation } from './formation.ts';

/**
 * `Forming`: members start for the first time, each on an empty directory until it is sealed. No client certificate exists yet.
 * `Formed`: every member was seen serving with its sealed file; from here on an empty directory never starts.
 */
export type Phase = 'Forming' | 'Formed';

export interface MemberIdentity {
  /** Pod name, which is also the name of the etcd member. */
  readonly name: string;
  /** Drawn once for each join of this member; the last element of its data directory. */
  readonly incarnation: string;
  /** It has started, and its file lets it start from its own data only; false: it may start on an empty directory. */
  readonly sealed: boolean;
}

export interface Identity {
  /** Drawn once when the cluster is first formed; the first element of every data directory, and the cluster token. */
  readonly genesis: string;
  readonly phase: Phase;
  readonly members: readonly MemberIdentity[];
  readonly formation: Formation;
  /** SHA-256 fingerprints of the authorities in use; absent until they were issued. */
  readonly authorities?: { readonly peer: string; readonly client: string };
}

/** Key of the record in the ConfigMap. */
const IDENTITY_KEY = 'identity.json';
const CHECKSUM_KEY = 'checksum';

export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

const token = (bytes: number): string => randomBytes(bytes).toString('hex');

/** A new identity for a cluster that has never been formed. */
export function drawIdentity(clusterName: string, formation: Formation): Identity {
  const members = Array.from({ length: formation.replicas }, (_, i) => ({
    name: `${clusterName}-${i}`,
    incarnation: token(4),
    sealed: false,
  }));
  return { genesis: token(8), phase: 'Forming', members, formation };
}

/** No member can start on an empty directory any more; whether its pod has the sealed file is another question. */
export const isSealed = ({ members }: Pick<Identity, 'members'>): boolean => members.every((m) => m.sealed);

/** The record with these members sealed as well. */
export const sealMembers = (identity: Identity, names: readonly string[]): Identity => ({
  ...identity,
  members: identity.members.map((m) => (names.includes(m.name) ? { ...m, sealed: true } : m)),
});

/** Data of the ConfigMap. The checksum tells an edit by somebody else from a record of ours. */
export function encodeIdentity(identity: Identity): Record<string, string> {
  const text = `${JSON.stringify(identity, undefined, 2)}\n`;
  return { [IDENTITY_KEY]: text, [CHECKSUM_KEY]: fingerprint(text) };
}

/** Reads the record; throws IdentityError when somebody damaged it, so that nothing is decided from half of it. */
export function decodeIdentity(config: ConfigMap): Identity {
  const text = config.data?.[IDENTITY_KEY];
  let parsed: Partial<Identity> | undefined;
  try {
    parsed = text === undefined ? undefined : (JSON.parse(text) as Partial<Identity>);
  } catch {
    parsed = undefined;
  }
  const whole =
    parsed !== undefined &&
    config.data?.[CHECKSUM_KEY] === fingerprint(text) &&
    /^[0-9a-f]{16}$/.test(parsed.genesis ?? '') &&
    ['Forming', 'Formed'].includes(parsed.phase ?? '') &&
    Array.isArray(parsed.members) &&
    parsed.members.length > 0 &&
    parsed.members.every(isMember) &&
    typeof parsed.formation === 'object';
  if (!whole)
    throw new IdentityError(
      `the ConfigMap ${config.metadata.name} was edited: it does not hold the identity record that was written`,
    );
  const identity = parsed as Identity;
  return { ...identity, formation: completed(identity.formation) };
}

const isMember = (m: Partial<MemberIdentity>): boolean =>
  typeof m.name === 'string' && INCARNATION.test(m.incarnation ?? '') && typeof m.sealed === 'boolean';

/** What a claim says of the data on its volume. */
export interface ClaimIdentity {
  readonly genesis: string;
  readonly incarnation: string;
  readonly formed: boolean;
  readonly version: string | undefined;
  /** How many members the cluster has; undefined when the claim does not say. */
  readonly replicas: number | undefined;
  /** Of all members, in their order; empty when the claim does not say. */
  readonly incarnations: readonly string[];
}

const INCARNATION = /^[0-9a-f]{8}$/;

export function claimIdentity(claim: PersistentVolumeClaim): ClaimIdentity | undefined {
  const a = claim.metadata.annotations ?? {};
  const genesis = a[ANNOTATIONS.genesis];
  const incarnation = a[ANNOTATIONS.incarnation];
  if (genesis === undefined || incarnation === undefined) return undefined;
  const replicas = a[ANNOTATIONS.replicas] ?? '';
  return {
    genesis,
    incarnation,
    formed: a[ANNOTATIONS.formed] === 'true',
    version: a[ANNOTATIONS.version],
    replicas: /^[1-9]$/.test(replicas) ? Number(replicas) : undefined,
    incarnations: (a[ANNOTATIONS.incarnations] ?? '').split(',').filter((x) => INCARNATION.test(x)),
  };
}

/** True once any claim of this genesis is marked as formed: it is never given up from then on. */
export const isMarkedFormed = (claims: readonly PersistentVolumeClaim[], genesis: string): boolean =>
  claims.map(claimIdentity).some((m) => m?.formed === true && m.genesis === genesis);

export type Recovered =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'identity';
      readonly from: 'claims' | 'memory';
      readonly identity: Identity;
      /** What no claim told, so that it was taken from the spec. */
      readonly assumed?: string;
    }
  | { readonly kind: 'refused' | 'waiting'; readonly message: string };

interface Known {
  readonly claim: PersistentVolumeClaim;
  readonly identity: ClaimIdentity;
  readonly ordinal: number;
}

/**
 * The identity that existing claims ask for: claims outlive their EtcdCluster, so creating the same name again brings
 * the data back. If any claim says that the cluster was formed, the record is rebuilt sealed: an empty directory then
 * never starts, even when another claim of the same cluster was lost.
 */
export function recoverIdentity(
  clusterName: string,
  claims: readonly PersistentVolumeClaim[],
  wanted: Formation,
): Recovered {
  const known = claims.flatMap((claim): Known[] => {
    const identity = claimIdentity(claim);
    const ordinal = ordinalOf(clusterName, claim.metadata.name);
    return identity === undefined || ordinal === undefined ? [] : [{ claim, identity, ordinal }];
  });
  const formed = known.filter((k) => k.identity.formed);
  // Claims of a formation that never finished hold nothing acknowledged; the cluster is simply formed anew.
  if (formed.length === 0) return { kind: 'none' };
  const geneses = [...new Set(formed.map((k) => k.identity.genesis))];
  // The mark comes to one claim after the other: one without it may hold as much as the others of its genesis.
  const own = known.filter((k) => geneses.includes(k.identity.genesis));
  const leaving = own.filter((k) => k.claim.metadata.deletionTimestamp !== undefined);
  if (leaving.length > 0) {
    const list = leaving.map((k) => k.claim.metadata.name).toSorted();
    return {
      kind: 'waiting',
      message: `waiting until what is being deleted is gone with its data: ${list.join(', ')}; a claim goes when no pod uses it any more`,
    };
  }
  if (geneses.length > 1) {
    const list = formed.map((k) => `${k.claim.metadata.name} (${k.identity.genesis})`).toSorted();
    return {
      kind: 'refused',
      message:
        `the claims hold data of different clusters: ${list.join(', ')}; ` +
        'keep those of the cluster you want and delete or rename the others',
    };
  }
  return adopted(clusterName, own, wanted);
}

/** The record as it was, as far as the claims of one genesis tell. */
function adopted(clusterName: string, own: readonly Known[], wanted: Formation): Recovered {
  const recorded = own.map((k) => k.identity.replicas).filter((n) => n !== undefined);
  const replicas = Math.max(...(recorded.length > 0 ? recorded : own.map((k) => k.ordinal + 1)));
  const all = own.map((k) => k.identity.incarnations).find((list) => list.length === replicas);
  const members = Array.from({ length: replicas }, (_, i) => ({
    name: `${clusterName}-${i}`,
    // Of a claim that is gone the others tell it: its volume may still be there. If none does, its member gets a directory
    // that no volume holds. It stays sealed either way.
    incarnation: own.find((k) => k.ordinal === i)?.identity.incarnation ?? all?.[i] ?? token(4),
    sealed: true,
  }));
  const version = own.map((k) => k.identity.version).find((v) => v !== undefined) ?? wanted.version;
  const told = own.map((k) => decodeOptions(k.claim.metadata.annotations?.[ANNOTATIONS.formation]));
  const options = told.find((o) => o !== undefined);
  const storage = storageOf(
    own.map((k) => k.claim),
    wanted.storage,
  );
  // A digest outweighs the version: that of another version would open the data with what must not open it.
  const { digest: _, ...byTag } = wanted.image;
  const image = version === wanted.version ? wanted.image : byTag;
  const formation = { ...wanted, image, ...options, replicas, version, storage };
  const identity = { genesis: own[0]?.identity.genesis as string, phase: 'Formed', members, formation } as const;
  const assumed = options === undefined ? { assumed: 'spec.image, spec.etcd and spec.pods' } : {};
  return { kind: 'identity', from: 'claims', identity, ...assumed };
}

/** The storage that is there; a spec that asks for other storage than that is an edit like any other. */
function storageOf(claims: readonly PersistentVolumeClaim[], wanted: Formation['storage']): Formation['storage'] {
  const spec = claims[0]?.spec;
  const [accessMode] = spec?.accessModes ?? [];
  const storageClassName = wanted.storageClassName === undefined ? undefined : spec?.storageClassName;
  return {
    size: spec?.resources?.requests?.storage ?? wanted.size,
    accessMode: (accessMode as Formation['storage']['accessMode'] | undefined) ?? wanted.accessMode,
    ...(storageClassName === undefined ? {} : { storageClassName }),
  };
}

/** Names of the claims that a formed cluster has by what the others say, and that are not among them. */
export function missingClaims(clusterName: string, claims: readonly PersistentVolumeClaim[]): string[] {
  const told = claims.map(claimIdentity).flatMap((marks) => (marks?.formed === true ? [marks.replicas ?? 0] : []));
  const there = new Set(claims.map((c) => c.metadata.name));
  const names = Array.from({ length: Math.max(0, ...told) }, (_, ordinal) => claimName(clusterName, ordinal));
  return names.filter((name) => !there.has(name));
}

/** Whose claim this is, by its exact name: a copy beside it carries the same labels and annotations. */
export function ordinalOf(clusterName: string, claim: string): number | undefined {
  const ordinal = Number(claim.at(-1));
  return claim === claimName(clusterName, ordinal) ? ordinal : undefined;
}

/** Short stable hash of a JSON value, for names and change detection (not a secret). */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
