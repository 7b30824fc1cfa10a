// SPDX-License-Identifier: Apache-2.0
// Asks the members of one cluster: which have started, what files they have mounted, whether a quorum answers.
import type { EtcdCluster } from '../api/cluster.ts';
import { childNames, memberHost } from '../api/names.ts';
import { EtcdError } from '../etcd/errors.ts';
import { probe, servedCertificate } from '../etcd/handshake.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { CallOptions, ClientTls, Endpoint, MemberStatus } from '../etcd/types.ts';
import { memoized } from '../runtime/memo.ts';
import type { Pod, Secret } from '../runtime/resources.ts';
import { inspect } from '../tls/inspect.ts';
import { type Identity, isSealed } from './identity.ts';
import type { MemberView, QuorumView, SecretState } from './observed.ts';
import { secretText } from './render/certificates.ts';
import { type MemberFiles, PROOF } from './render/memberfile.ts';
import { blindness, isWell } from './rules/health.ts';

/**
 * While nothing is wrong and no pod has changed, the members themselves are not asked again at a look that comes so many
 * milliseconds after the last one that did: not when it comes early, because something happened, nor when what they said
 * is old. That a quorum answers is asked at every look.
 */
const CALM_MS = { from: 20_000, to: 40_000 } as const;

/** Deadline of each question, in milliseconds: of one to one member, and of the one to the quorum, whoever answers it. */
const ASK_MS = 2_000;
/** Of the one to the quorum while nothing is wrong: a quorum that takes longer is looked at with its members. */
const CALM_ASK_MS = 500;

interface Subject {
  readonly cluster: EtcdCluster;
  readonly identity: Identity;
  readonly files: MemberFiles;
  readonly pods: readonly Pod[];
  readonly secrets: readonly SecretState[];
}

/** The operator's own client certificate, as soon as it exists. */
function operatorTls(cluster: EtcdCluster, secrets: readonly SecretState[]): ClientTls | undefined {
  const name = childNames(cluster.metadata.name).operatorTls;
  const secret = secrets.find((s) => s.need.name === name)?.secret;
  return secret === undefined ? undefined : clientTls(secret);
}

const clientTls = memoized((secret: Secret): ClientTls | undefined => {
  const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((k) => secretText(secret, k));
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
});

function endpointOf(pod: Pod | undefined): Endpoint | undefined {
  const ip = pod?.status?.podIP;
  if (pod === undefined || ip === undefined || pod.metadata.deletionTimestamp !== undefined) return undefined;
  const { name } = pod.metadata;
  return { name, host: ip, serverName: memberHost(name, pod.metadata.namespace as string) };
}

export async function observeEtcd(
  pool: ClientPool,
  s: Subject,
  signal: AbortSignal,
): Promise<{ members: MemberView[]; quorum: QuorumView }> {
  const tls = operatorTls(s.cluster, s.secrets);
  const calm = calmMembers(s);
  if (calm !== undefined) {
    // Only of the one that answered before: if another one has to, something has changed.
    const likely = calm.toSorted(byLikelihood).slice(0, 1);
    const quorum = await askQuorum(pool, likely, tls, { signal, timeoutMs: CALM_ASK_MS });
    if (quorum.read) return { members: calm, quorum };
  }
  const at = performance.now();
  const members = await Promise.all(s.identity.members.map((m) => ask(pool, s, m.name, tls, signal)));
  const quorum = await askQuorum(pool, members, tls, { signal, timeoutMs: ASK_MS });
  if (quorum.read && members.every(isWell)) looks.set(s.identity, { at, members });
  else looks.delete(s.identity);
  return { members, quorum };
}

/** Of one formed record: the last look at its members, if all was well. */
const looks = new WeakMap<Identity, { readonly at: number; readonly members: MemberView[] }>();

function calmMembers({ identity, pods }: Subject): MemberView[] | undefined {
  const last = identity.phase === 'Formed' ? looks.get(identity) : undefined;
  const ageMs = last === undefined ? 0 : performance.now() - last.at;
  if (last === undefined || ageMs < CALM_MS.from || ageMs > CALM_MS.to) return undefined;
  // The cache replaces an object whenever anything of it changes.
  return last.members.every((m) => m.pod !== undefined && pods.includes(m.pod)) ? last.members : undefined;
}

async function ask(
  pool: ClientPool,
  s: Subject,
  name: string,
  tls: ClientTls | undefined,
  signal: AbortSignal,
): Promise<MemberView> {
  const pod = s.pods.find((p) => p.metadata.name === name);
  const endpoint = endpointOf(pod);
  const nothing = { name, pod, started: false, provenFile: undefined, status: undefined, error: undefined };
  if (endpoint === undefined) return nothing;
  if (tls === undefined) return { ...nothing, error: blindness({ ...s, now: new Date() }) };
  const o = { signal, timeoutMs: ASK_MS };
  if (!isSealed(s.identity)) {
    // The kubelet asks the same page once a second; once it was told yes, nobody needs to ask again.
    const sealed = s.identity.members.some((m) => m.name === name && m.sealed);
    const known = sealed || pod?.status?.containerStatuses?.some((c) => c.started === true) === true;
    return { ...nothing, started: known || (await probe(endpoint, '/livez', o)) };
  }
  const [status, provenFile] = await Promise.all([
    askStatus(pool, endpoint, tls, o),
    s.identity.phase === 'Forming' ? proven(s, pod, () => served(name, endpoint, tls, o)) : undefined,
  ]);
  return { name, pod, started: status.value !== undefined, provenFile, status: status.value, error: status.error };
}

/** Of one sealed record: the UIDs of the pods whose volumes were seen to hold their files. A volume does not go back. */
const proofs = new WeakMap<Identity, Set<string>>();

/** One handshake is enough to prove a pod: each costs the member as much as a new client. */
async function proven(s: Subject, pod: Pod | undefined, look: () => Promise<string | undefined>) {
  const known = proofs.get(s.identity) ?? new Set<string>();
  proofs.set(s.identity, known);
  const { name = '', uid = '' } = pod?.metadata ?? {};
  const wanted = s.files.proofs[name];
  if (known.has(uid)) return wanted;
  const seen = await look();
  if (seen === wanted) known.add(uid);
  return seen;
}

/** A certificate that cannot be read is found out here, and says no more than a member that does not answer. */
async function askStatus(pool: ClientPool, endpoint: Endpoint, tls: ClientTls, o: CallOptions) {
  try {
    const client = await pool.get(endpoint, tls);
    return { value: await client.status(o), error: undefined };
  } catch (e) {
    return { value: undefined, error: messageOf(e) };
  }
}

/** Reaches conditions, so the same trouble has to read the same. */
function messageOf(e: unknown): string {
  if (e instanceof EtcdError) return e.says;
  return e instanceof Error ? e.message : String(e);
}

/** What the certificate on the client port says of the member's file; undefined while the member does not serve. */
async function served(name: string, endpoint: Endpoint, tls: ClientTls, o: { signal: AbortSignal; timeoutMs: number }) {
  try {
    const { uris } = inspect(await servedCertificate(endpoint, tls, o));
    return uris.find((u) => u.startsWith(`${PROOF}${name}:`));
  } catch {
    return undefined;
  }
}

/**
 * Whom to ask first: the leader answers without asking anybody where the log ends, any other member has to. One that was
 * cut off may still hold itself for the leader, of an older term.
 */
export const likeliest = (a: MemberStatus, b: MemberStatus): number =>
  Number(leads(b)) - Number(leads(a)) || Number(b.raftTerm - a.raftTerm);

const leads = (s: MemberStatus): boolean => s.leaderId === s.memberId;

const byLikelihood = (a: MemberView, b: MemberView): number =>
  a.status === undefined || b.status === undefined ? 0 : likeliest(a.status, b.status);

/**
 * The first answer. The next one is asked as well when the one before has failed, or has kept still for `patienceMs`.
 * When all fail it rejects with what the first said.
 */
export async function firstAnswer<T>(asks: readonly (() => Promise<T>)[], patienceMs: number): Promise<T> {
  const [first, ...others] = asks;
  if (first === undefined) throw new Error('no member can be asked');
  const answer = first();
  if (others.length === 0) return answer;
  const impatience = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => impatience.resolve(undefined), patienceMs);
  const early = await Promise.race([answer.then((value) => ({ value })).catch(() => undefined), impatience.promise]);
  clearTimeout(timer);
  if (early !== undefined) return early.value;
  const later = firstAnswer(others, patienceMs);
  return Promise.any([answer, later]).catch(() => answer);
}

async function askQuorum(
  pool: ClientPool,
  members: readonly MemberView[],
  tls: ClientTls | undefined,
  { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
): Promise<QuorumView> {
  const able = members
    .flatMap(({ pod, status }) => (status === undefined ? [] : [{ endpoint: endpointOf(pod), status }]))
    .toSorted((a, b) => likeliest(a.status, b.status));
  const silent = { read: false, clusterId: able[0]?.status.clusterId, members: undefined, error: undefined };
  if (able.length === 0) return silent;
  const until = performance.now() + timeoutMs;
  const asks = able.map(({ endpoint }) => async (): Promise<QuorumView> => {
    if (endpoint === undefined || tls === undefined) throw new Error('it cannot be asked');
    const client = await pool.get(endpoint, tls);
    const o = { signal, timeoutMs: Math.max(1, until - performance.now()) };
    const list = await client.members({ ...o, linearizable: true });
    return { read: true, clusterId: list.clusterId, members: list.members, error: undefined };
  });
  try {
    return await firstAnswer(asks, timeoutMs / asks.length);
  } catch (e) {
    return { ...silent, error: messageOf(e) };
  }
}
