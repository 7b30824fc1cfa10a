// SPDX-License-Identifier: Apache-2.0
// The identity of a cluster: which data its members may open, and whether a member may still start on an empty directory.
//
// The record lives in the ConfigMap `<cluster>-config`; the parts of it that must outlive the EtcdCluster object are
// repeated in annotations of the claims. Creating the ConfigMap by POST is the one compare-and-set that decides to
// bootstrap: it happens before any other object of the cluster exists.
import { createHash, randomBytes } from 'node:crypto';
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, claimName } from '../api/names.ts';
import { quantityBytes } from '../api/quantities.ts';
import type { ConfigMap, PersistentVolumeClaim } from '../runtime/resources.ts';

/**
 * `Forming`: members start for the first time, each on an empty directory until it is sealed. No client certificate exists yet.
 * `Formed`: every member was seen serving with its sealed file; from here on an empty directory never starts.
 */
export type Phase = 'Forming' | 'Formed';

/** What the members were formed with. An edit of any of these needs members to restart or the membership to change. */
export type Formation = Pick<EffectiveCluster, 'version' | 'image' | 'etcd' | 'pods'> & {
  readonly replicas: number;
  readonly storage: Omit<EffectiveCluster['storage'], 'retentionPolicy'>;
};

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
  return parsed as Identity;
}

const isMember = (m: Partial<MemberIdentity>): boolean =>
  typeof m.name === 'string' && /^[0-9a-f]{8}$/.test(m.incarnation ?? '') && typeof m.sealed === 'boolean';

/** What a claim says of the data on its volume. */
export interface ClaimIdentity {
  readonly genesis: string;
  readonly incarnation: string;
  readonly formed: boolean;
  readonly version: string | undefined;
  /** How many members the cluster has; undefined when the claim does not say. */
  readonly replicas: number | undefined;
}

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
  };
}

export type Recovered =
  | { readonly kind: 'none' }
  | { readonly kind: 'identity'; readonly from: 'claims' | 'memory'; readonly identity: Identity }
  | { readonly kind: 'refused' | 'waiting'; readonly message: string };

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
  const known = claims.flatMap((claim) => {
    const identity = claimIdentity(claim);
    const ordinal = ordinalOf(clusterName, claim.metadata.name);
    return identity === undefined || ordinal === undefined ? [] : [{ claim, identity, ordinal }];
  });
  const formed = known.filter((k) => k.identity.formed);
  // Claims of a formation that never finished hold nothing acknowledged; the cluster is simply formed anew on them.
  if (formed.length === 0) return { kind: 'none' };
  const leaving = formed.filter((k) => k.claim.metadata.deletionTimestamp !== undefined);
  if (leaving.length > 0) {
    const list = leaving.map((k) => k.claim.metadata.name).toSorted();
    return {
      kind: 'waiting',
      message: `waiting until what is being deleted is gone with its data: ${list.join(', ')}; a claim goes when no pod uses it any more`,
    };
  }
  const geneses = [...new Set(formed.map((k) => k.identity.genesis))];
  if (geneses.length > 1) {
    const list = formed.map((k) => `${k.claim.metadata.name} (${k.identity.genesis})`).toSorted();
    return {
      kind: 'refused',
      message:
        `the claims hold data of different clusters: ${list.join(', ')}; ` +
        'keep those of the cluster you want and delete or rename the others',
    };
  }
  const genesis = geneses[0] as string;
  const recorded = formed.map((k) => k.identity.replicas).filter((n) => n !== undefined);
  const replicas = Math.max(...(recorded.length > 0 ? recorded : formed.map((k) => k.ordinal + 1)));
  const byName = new Map(formed.map((k) => [k.claim.metadata.name, k.identity]));
  const members = Array.from({ length: replicas }, (_, i) => ({
    name: `${clusterName}-${i}`,
    // A claim that is gone took its data with it: its member gets a directory that no volume holds, and stays sealed.
    incarnation: byName.get(claimName(clusterName, i))?.incarnation ?? token(4),
    sealed: true,
  }));
  const version = formed.map((k) => k.identity.version).find((v) => v !== undefined) ?? wanted.version;
  return {
    kind: 'identity',
    from: 'claims',
    identity: {
      genesis,
      phase: 'Formed',
      members,
      formation: {
        ...wanted,
        replicas,
        version,
        storage: storageOf(
          formed.map((k) => k.claim),
          wanted.storage,
        ),
      },
    },
  };
}

/** The storage that is there; a spec that asks for other storage than that is an edit like any other. */
function storageOf(claims: readonly PersistentVolumeClaim[], wanted: Formation['storage']): Formation['storage'] {
  const spec = claims[0]?.spec;
  const size = spec?.resources?.requests?.storage;
  const [accessMode] = spec?.accessModes ?? [];
  const storageClassName = wanted.storageClassName === undefined ? undefined : spec?.storageClassName;
  return {
    size: size === undefined || quantityBytes(size) === quantityBytes(wanted.size) ? wanted.size : size,
    accessMode: (accessMode as Formation['storage']['accessMode'] | undefined) ?? wanted.accessMode,
    ...(storageClassName === undefined ? {} : { storageClassName }),
  };
}

/** Whose claim this is, by its exact name: a copy beside it carries the same labels and annotations. */
export function ordinalOf(clusterName: string, claim: string): number | undefined {
  const ordinal = Number(claim.at(-1));
  return claim === claimName(clusterName, ordinal) ? ordinal : undefined;
}

/** Formation of the spec as it stands now. */
export function formationOf(spec: EffectiveCluster): Formation {
  const { replicas, version, image, etcd, pods } = spec;
  const { retentionPolicy: _, ...storage } = spec.storage;
  // Through JSON, so that it compares equal to what comes back from the record.
  return JSON.parse(JSON.stringify({ replicas, version, image, storage, etcd, pods })) as Formation;
}

/**
 * The formation that the spec asks for. What the user leaves to us stays as the cluster was formed: a default that we
 * work out differently one day must not look like an edit.
 */
export function wantedFormation(cluster: EtcdCluster, spec: EffectiveCluster, recorded: Formation): Formation {
  const wanted = formationOf(spec);
  if (cluster.spec?.etcd?.quota !== undefined) return wanted;
  return { ...wanted, etcd: { ...wanted.etcd, quota: recorded.etcd.quota } };
}

/** Short stable hash of a JSON value, for names and change detection (not a secret). */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
