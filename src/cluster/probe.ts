// SPDX-License-Identifier: Apache-2.0
// Asks the members of one cluster: which have started, what files they have mounted, whether a quorum answers.
import type { EtcdCluster } from '../api/cluster.ts';
import { childNames, memberHost } from '../api/names.ts';
import { probe, servedCertificate } from '../etcd/handshake.ts';
import type { ClientPool } from '../etcd/pool.ts';
import type { ClientTls, Endpoint } from '../etcd/types.ts';
import type { Pod } from '../runtime/resources.ts';
import { inspect } from '../tls/inspect.ts';
import type { Identity } from './identity.ts';
import type { MemberView, QuorumView, SecretState } from './observed.ts';
import { secretText } from './render/certificates.ts';
import type { MemberFiles } from './render/memberfile.ts';

/** Deadline of each question to one member, in milliseconds. */
const ASK_MS = 2_000;

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
  if (secret === undefined) return undefined;
  const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((k) => secretText(secret, k));
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
}

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
  const members = await Promise.all(s.identity.members.map((m) => ask(pool, s, m.name, tls, signal)));
  const quorum = await askQuorum(pool, members, tls, signal);
  return { members, quorum };
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
  const nothing = { name, pod, started: false, servedFiles: undefined, status: undefined, error: undefined };
  if (endpoint === undefined || tls === undefined) return nothing;
  const o = { signal, timeoutMs: ASK_MS };
  if (s.identity.phase === 'Open') return { ...nothing, started: await probe(endpoint, '/livez', o) };
  const [status, servedFiles] = await Promise.all([
    pool
      .get(endpoint, tls)
      .status(o)
      .then((value) => ({ value, error: undefined }), failed),
    s.identity.phase === 'Sealing' ? served(endpoint, tls, o) : undefined,
  ]);
  return { name, pod, started: status.value !== undefined, servedFiles, status: status.value, error: status.error };
}

const failed = (e: unknown): { value: undefined; error: string } => ({
  value: undefined,
  error: e instanceof Error ? e.message : String(e),
});

/** The files that the certificate on the client port vouches for; undefined while the member does not serve. */
async function served(endpoint: Endpoint, tls: ClientTls, o: { signal: AbortSignal; timeoutMs: number }) {
  try {
    const { uris } = inspect(await servedCertificate(endpoint, tls, o));
    return uris.find((u) => u.startsWith('urn:quorate:files:'));
  } catch {
    return undefined;
  }
}

async function askQuorum(
  pool: ClientPool,
  members: readonly MemberView[],
  tls: ClientTls | undefined,
  signal: AbortSignal,
): Promise<QuorumView> {
  // The leader answers without asking anybody where the log ends; any other member has to.
  const able = members.filter((m) => m.status !== undefined);
  const first = able.find((m) => m.status?.leaderId === m.status?.memberId) ?? able[0];
  const endpoint = endpointOf(first?.pod);
  if (endpoint === undefined || tls === undefined)
    return { read: false, clusterId: undefined, members: undefined, error: undefined };
  const client = pool.get(endpoint, tls);
  const o = { signal, timeoutMs: ASK_MS };
  try {
    const [, list] = await Promise.all([client.read(o), client.members({ ...o, linearizable: true })]);
    return { read: true, clusterId: list.clusterId, members: list.members, error: undefined };
  } catch (e) {
    return { read: false, clusterId: first?.status?.clusterId, members: undefined, error: failed(e).error };
  }
}
