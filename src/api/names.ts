// SPDX-License-Identifier: Apache-2.0
// Every name that the operator gives: group, labels, annotations, ports, and the objects of a cluster.

export const GROUP = 'etcd.quorate.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

export const LABELS = {
  /** On every child: the cluster it belongs to. */
  cluster: `${GROUP}/cluster`,
  /** On a client's pod, by its owner: lets it through the default network policy of the cluster it names. */
  client: `${GROUP}/client`,
} as const;

export const ANNOTATIONS = {
  genesis: `${GROUP}/genesis`,
  incarnation: `${GROUP}/incarnation`,
  /** `true` on a claim once its cluster was formed: it then holds data that may never be started empty. */
  formed: `${GROUP}/formed`,
  version: `${GROUP}/version`,
  /** On claims: the options that the cluster was formed with, as JSON. */
  formation: `${GROUP}/formation`,
  /** On claims: how many members the cluster has, so that a lost claim of the last one is missed. */
  replicas: `${GROUP}/replicas`,
  /** On claims: the incarnations of all members in their order, so that a lost claim of one can be brought back. */
  incarnations: `${GROUP}/incarnations`,
  /** On a StatefulSet: when its controller was last asked to look again. */
  lookedFor: `${GROUP}/looked-for`,
  /** On pods: the member's file that the kubelet was told to look for, and when. */
  file: `${GROUP}/file`,
} as const;

export const FINALIZERS = {
  /** Only while the claims are to be deleted with the cluster. */
  claims: `${GROUP}/claims`,
} as const;

/** Common names of the client certificates that are the operator's own: nobody else may have one of these. */
export const OWN_CLIENTS = { operator: 'quorate-operator', backup: 'quorate-backup' } as const;

export const CLIENT_PORT = 2379;
export const PEER_PORT = 2380;
/** Plain http: metrics and health only. */
export const METRICS_PORT = 2381;

export interface ChildNames {
  readonly config: string;
  readonly statefulSet: string;
  readonly clientService: string;
  readonly headlessService: string;
  readonly podDisruptionBudget: string;
  readonly peerPolicy: string;
  readonly clientPolicy: string;
  readonly peerCa: string;
  readonly clientCa: string;
  readonly peerTls: string;
  readonly serverTls: string;
  readonly operatorTls: string;
  readonly backupTls: string;
}

/** Names of the objects of a cluster; members, their Services and their claims are numbered from 0. */
export const childNames = (cluster: string): ChildNames => ({
  config: `${cluster}-config`,
  statefulSet: cluster,
  clientService: `${cluster}-client`,
  headlessService: `${cluster}-members`,
  podDisruptionBudget: cluster,
  peerPolicy: `${cluster}-peer`,
  clientPolicy: `${cluster}-client`,
  peerCa: `${cluster}-ca-peer`,
  clientCa: `${cluster}-ca-client`,
  peerTls: `${cluster}-tls-peer`,
  serverTls: `${cluster}-tls-server`,
  operatorTls: `${cluster}-tls-operator`,
  backupTls: `${cluster}-tls-backup`,
});

export const claimName = (cluster: string, ordinal: number): string => `data-${cluster}-${ordinal}`;
export const clientSecretName = (cluster: string, client: string): string => `${cluster}-client-${client}`;

/** DNS name of a member's own Service, without the cluster's domain: it resolves before the member's pod exists. */
export const memberHost = (member: string, namespace: string): string => `${member}.${namespace}.svc`;

/**
 * Longest name of an EtcdCluster. The StatefulSet controller labels its pods with the name and a revision hash of up to
 * ten characters, and a label holds 63; every other child fits then: Services `<name>-members`, pods `<name>-8`.
 */
export const MAX_CLUSTER_NAME = 52;
/** Services are named after the cluster, and their names have to begin with a letter. */
export const CLUSTER_NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
export const CLUSTER_NAME_SAYS = `must begin with a letter, hold only lower-case letters, digits and dashes, end with a letter or digit, and have at most ${MAX_CLUSTER_NAME} characters, because StatefulSet, Services and labels carry it`;
