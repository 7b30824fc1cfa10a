// SPDX-License-Identifier: Apache-2.0
// Says which Secrets with certificates a cluster needs, what each leaf must attest, and renders the Secrets.
import type { EffectiveCluster, EtcdCluster } from '../../api/cluster.ts';
import { CLIENT_PORT, childNames, clientSecretName, memberHost, OWN_CLIENTS } from '../../api/names.ts';
import type { Secret } from '../../runtime/resources.ts';
import type { KeyCertificate } from '../../tls/authority.ts';
import type { Identity } from '../identity.ts';
import { ownedMetadata } from './children.ts';
import type { MemberFiles } from './memberfile.ts';

export type Side = 'peer' | 'client';

/** One leaf inside a Secret. */
export interface LeafNeed {
  /** Keys of the Secret that hold certificate and private key. */
  readonly keys: readonly [certificate: string, key: string];
  readonly commonName: string;
  readonly organization?: string;
  readonly usages: readonly ('server' | 'client')[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly uris?: readonly string[];
}

export interface SecretNeed {
  readonly name: string;
  readonly side: Side;
  readonly leaves: readonly LeafNeed[];
  /** Further keys beside the leaves and `ca.crt`: member files, endpoints. */
  readonly extra: Readonly<Record<string, string>>;
  /** Shown in status; the name of the client for issued client certificates. */
  readonly client?: string;
}

/** The leaves are shared by all members, so they name every ordinal that a cluster of nine can have. */
const ORDINALS = 9;

function memberNames(cluster: EtcdCluster): string[] {
  const { name } = cluster.metadata;
  const namespace = cluster.metadata.namespace as string;
  return Array.from({ length: ORDINALS }, (_, i) => memberHost(`${name}-${i}`, namespace));
}

function clientServiceNames(cluster: EtcdCluster): string[] {
  const service = childNames(cluster.metadata.name).clientService;
  const namespace = cluster.metadata.namespace as string;
  return [
    service,
    `${service}.${namespace}`,
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.cluster.local`,
  ];
}

export const endpointsOf = (cluster: EtcdCluster, identity: Identity): string[] =>
  identity.members.map((m) => `https://${memberHost(m.name, cluster.metadata.namespace as string)}:${CLIENT_PORT}`);

const pair = ['tls.crt', 'tls.key'] as const;

function peerNeed(cluster: EtcdCluster): SecretNeed {
  const names = memberNames(cluster);
  const commonName = cluster.metadata.name;
  return {
    name: childNames(cluster.metadata.name).peerTls,
    side: 'peer',
    extra: {},
    leaves: [
      { keys: pair, commonName, usages: ['server', 'client'], dnsNames: names },
      { keys: ['dial.crt', 'dial.key'], commonName, usages: ['client'], dnsNames: [] },
    ],
  };
}

function serverNeed(cluster: EtcdCluster, files: MemberFiles): SecretNeed {
  const headless = childNames(cluster.metadata.name).headlessService;
  const namespace = cluster.metadata.namespace as string;
  return {
    name: childNames(cluster.metadata.name).serverTls,
    side: 'client',
    extra: files.files,
    leaves: [
      {
        keys: pair,
        commonName: cluster.metadata.name,
        usages: ['server'],
        dnsNames: [
          ...memberNames(cluster),
          ...clientServiceNames(cluster),
          `*.${headless}.${namespace}.svc`,
          'localhost',
        ],
        ipAddresses: ['127.0.0.1'],
        uris: Object.values(files.proofs),
      },
    ],
  };
}

const clientLeaf = (commonName: string, organization?: string): LeafNeed => ({
  keys: pair,
  commonName,
  usages: ['client'],
  dnsNames: [],
  ...(organization === undefined ? {} : { organization }),
});

/**
 * Client Secrets come last: they exist only after the seal is proven, so nothing can have been acknowledged to a client
 * while a member could still start on an empty directory.
 */
export function certificateNeeds(
  cluster: EtcdCluster,
  spec: EffectiveCluster,
  identity: Identity,
  files: MemberFiles,
): SecretNeed[] {
  const names = childNames(cluster.metadata.name);
  const needs = [
    peerNeed(cluster),
    serverNeed(cluster, files),
    { name: names.operatorTls, side: 'client' as const, extra: {}, leaves: [clientLeaf(OWN_CLIENTS.operator)] },
  ];
  if (identity.phase !== 'Formed') return needs;
  const endpoints = endpointsOf(cluster, identity).join(',');
  if (spec.backup !== undefined) {
    needs.push({ name: names.backupTls, side: 'client', extra: {}, leaves: [clientLeaf(OWN_CLIENTS.backup)] });
  }
  const clients = spec.tls.clientCertificates.map((c) => ({
    name: clientSecretName(cluster.metadata.name, c.name),
    side: 'client' as const,
    client: c.name,
    extra: { endpoints },
    leaves: [clientLeaf(c.commonName ?? c.name, c.organization)],
  }));
  return [...needs, ...clients];
}

/** The Secrets that the spec asks for and may do without again, whether they are due yet or not. */
export const clientSecretNames = ({ metadata: { name } }: EtcdCluster, spec: EffectiveCluster): string[] => [
  ...(spec.backup === undefined ? [] : [childNames(name).backupTls]),
  ...spec.tls.clientCertificates.map((c) => clientSecretName(name, c.name)),
];

const encode = (text: string): string => Buffer.from(text).toString('base64');

export function renderSecret(
  cluster: EtcdCluster,
  need: SecretNeed,
  authority: string,
  leaves: readonly KeyCertificate[],
): Secret {
  const data: Record<string, string> = { 'ca.crt': encode(authority) };
  for (const [i, leaf] of need.leaves.entries()) {
    data[leaf.keys[0]] = encode((leaves[i] as KeyCertificate).cert);
    data[leaf.keys[1]] = encode((leaves[i] as KeyCertificate).key);
  }
  for (const [key, value] of Object.entries(need.extra)) data[key] = encode(value);
  return secret(cluster, need.name, data);
}

export const authoritySecretName = (cluster: EtcdCluster, side: Side): string => {
  const names = childNames(cluster.metadata.name);
  return side === 'peer' ? names.peerCa : names.clientCa;
};

export const renderAuthoritySecret = (cluster: EtcdCluster, side: Side, authority: KeyCertificate): Secret =>
  secret(cluster, authoritySecretName(cluster, side), {
    'tls.crt': encode(authority.cert),
    'tls.key': encode(authority.key),
  });

function secret(cluster: EtcdCluster, name: string, data: Record<string, string>): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: ownedMetadata(cluster, name),
    data,
  };
}

/** Text of one key of a Secret, or undefined. */
export const secretText = (s: Secret, key: string): string | undefined => {
  const value = s.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
};
