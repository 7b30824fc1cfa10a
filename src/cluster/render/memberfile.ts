// SPDX-License-Identifier: Apache-2.0
// Renders the configuration file that one etcd member starts from.
import { CLIENT_PORT, METRICS_PORT, memberHost, PEER_PORT } from '../../api/names.ts';
import { durationMs, quantityBytes } from '../../api/quantities.ts';
import { fingerprint, type Identity, type MemberIdentity } from '../identity.ts';

/** Where the members' files and the server certificate are mounted: one Secret, so that the kubelet swaps them as one. */
export const CONF_DIR = '/etc/etcd/conf';
export const PEER_DIR = '/etc/etcd/peer';
export const DATA_MOUNT = '/var/lib/etcd';

const peerUrl = (name: string, namespace: string): string => `https://${memberHost(name, namespace)}:${PEER_PORT}`;

/**
 * All that TLS 1.2 may agree on: forward secrecy with authenticated encryption, for RSA and EC leaves. Left alone, Go still
 * takes CBC. What TLS 1.3 has is all of that kind, and Go lets nobody choose.
 */
const CIPHER_SUITES = ['RSA', 'ECDSA'].flatMap((key) =>
  ['AES_128_GCM_SHA256', 'AES_256_GCM_SHA384', 'CHACHA20_POLY1305_SHA256'].map(
    (cipher) => `TLS_ECDHE_${key}_WITH_${cipher}`,
  ),
);

/** Directory that names its own data: a volume of another cluster or an older incarnation is never opened by accident. */
const dataDir = (identity: Identity, member: MemberIdentity): string =>
  `${DATA_MOUNT}/${identity.genesis}/${member.incarnation}`;

/**
 * The file of one member. Open: it may form a new cluster with all the others. Sealed: it names nobody but itself and
 * `existing`, so etcd starts from its write-ahead log or not at all.
 */
function memberFile(identity: Identity, member: MemberIdentity, namespace: string): string {
  const initial = member.sealed ? [member] : identity.members;
  const { etcd, quota } = identity.formation;
  const file = {
    name: member.name,
    'data-dir': dataDir(identity, member),
    'initial-cluster-state': member.sealed ? 'existing' : 'new',
    'initial-cluster': initial.map((m) => `${m.name}=${peerUrl(m.name, namespace)}`).join(','),
    'initial-cluster-token': identity.genesis,
    'initial-advertise-peer-urls': peerUrl(member.name, namespace),
    'advertise-client-urls': `https://${memberHost(member.name, namespace)}:${CLIENT_PORT}`,
    'listen-peer-urls': `https://0.0.0.0:${PEER_PORT}`,
    'listen-client-urls': `https://0.0.0.0:${CLIENT_PORT}`,
    'listen-metrics-urls': `http://0.0.0.0:${METRICS_PORT}`,
    'client-transport-security': {
      'cert-file': `${CONF_DIR}/tls.crt`,
      'key-file': `${CONF_DIR}/tls.key`,
      'client-cert-auth': true,
      'trusted-ca-file': `${CONF_DIR}/ca.crt`,
    },
    // A peer dials with a leaf that has no names: etcd would check names against reverse DNS of the caller's address.
    'peer-transport-security': {
      'cert-file': `${PEER_DIR}/tls.crt`,
      'key-file': `${PEER_DIR}/tls.key`,
      'client-cert-file': `${PEER_DIR}/dial.crt`,
      'client-key-file': `${PEER_DIR}/dial.key`,
      'client-cert-auth': true,
      'trusted-ca-file': `${PEER_DIR}/ca.crt`,
    },
    'tls-min-version': 'TLS1.2',
    'cipher-suites': CIPHER_SUITES,
    // The gateway dials etcd with the server leaf, which must not be usable by a client.
    'enable-grpc-gateway': false,
    'strict-reconfig-check': true,
    'quota-backend-bytes': Number(quantityBytes(quota)),
    'max-request-bytes': Number(quantityBytes(etcd.maxRequestBytes)),
    'auto-compaction-mode': etcd.autoCompaction.mode.toLowerCase(),
    'auto-compaction-retention': etcd.autoCompaction.retention,
    'heartbeat-interval': durationMs(etcd.heartbeatInterval),
    'election-timeout': durationMs(etcd.electionTimeout),
    'snapshot-count': etcd.snapshotCount,
    // Segments of 64 MB each: the stock five would be more than a small volume holds.
    'max-wals': 2,
    logger: 'zap',
    'log-level': 'info',
  };
  // JSON is YAML too, and written without holding up a bootstrap.
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** How the URIs of a server certificate begin that say which files are mounted with it. */
export const PROOF = 'urn:quorate:file:';

export interface MemberFiles {
  /** File name → content; the name is `<pod>.yaml`. */
  readonly files: Record<string, string>;
  /**
   * Member → what the server certificate says of its file. The certificate is mounted with the files, so a member that
   * serves it proves which file it would start from.
   */
  readonly proofs: Record<string, string>;
}

export function renderMemberFiles(identity: Identity, namespace: string): MemberFiles {
  const rendered = identity.members.map((m) => [m.name, memberFile(identity, m, namespace)] as const);
  return {
    files: Object.fromEntries(rendered.map(([name, file]) => [`${name}.yaml`, file])),
    proofs: Object.fromEntries(rendered.map(([name, file]) => [name, `${PROOF}${name}:${fingerprint(file)}`])),
  };
}
