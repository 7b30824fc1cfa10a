// SPDX-License-Identifier: Apache-2.0
// The containers of the cluster: what each of them mounts, and the configuration files it reads.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  ADDRESSES,
  API_PORT,
  CSI_DRIVER,
  FILES,
  NODE_BINARY,
  NODES,
  type NodePlan,
  PAUSE_IMAGE,
  ROOT,
  S3_PORT,
  STATE,
} from './config.ts';
import { type ContainerPlan, volumeName } from './docker.ts';
import type { PartFolders } from './parts.ts';
import { BASE_IMAGE } from './rootfs.ts';
import type { Settings } from './settings.ts';

export const CONTROL_PLANE = 'control-plane';
export const S3 = 's3';
/** Volumes that are shared or outlive a container. */
export const VOLUMES = [
  'store',
  'disks',
  's3',
  ...NODES.flatMap((node) => [`${node.name}-containerd`, `${node.name}-kubelet`]),
];

const containerdConfig = `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/parts/cni']
    conf_dir = '/config/cni'
`;

const kubeletConfig = (node: NodePlan): string =>
  JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    clusterDNS: [ADDRESSES.dns],
    clusterDomain: 'cluster.local',
    authentication: {
      x509: { clientCAFile: '/pki/ca.crt' },
      anonymous: { enabled: false },
      webhook: { enabled: true },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: `/pki/${node.name}.crt`,
    tlsPrivateKeyFile: `/pki/${node.name}.key`,
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '1Mi',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    resolvConf: '/config/resolv.conf',
    // A grown volume is noticed at the next sync of its pod, once a minute by default.
    syncFrequency: '5s',
    nodeStatusUpdateFrequency: '4s',
    nodeLeaseDurationSeconds: 20,
    maxPods: 200,
  });

const cniConfig = (node: NodePlan): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: node.podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
          // Forgotten with the node's pods when the node is restarted.
          dataDir: '/run/testbed/addresses',
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });

/** Writes files under `.testbed/config/<name>` and returns the folder and a hash of their contents. */
async function writeConfig(name: string, files: Readonly<Record<string, string>>) {
  const folder = path.join(STATE, 'config', name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
  }
  await mkdir(path.join(FILES.logs, name), { recursive: true });
  return { folder, hash: createHash('sha256').update(JSON.stringify(files)).digest('hex') };
}

const scripts = path.join(import.meta.dirname, 'nodes');
const storage = path.join(import.meta.dirname, 'storage');

async function hashOf(...files: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex');
}
const scriptHash = (name: string) => hashOf(path.join(scripts, 'common.sh'), path.join(scripts, name));
const storageHash = async () => hashOf(...(await readdir(storage)).toSorted().map((file) => path.join(storage, file)));

const routes = (except: string): string =>
  NODES.filter((node) => node.name !== except)
    .map((node) => `${node.podCidr}=${node.address}`)
    .join(' ');

const commonBinds = (name: string): string[] => [
  `${scripts}:/testbed/nodes:ro`,
  `${path.join(FILES.logs, name)}:/var/log/testbed:rw`,
];
const storageBinds = [
  `${storage}:/testbed/storage:ro`,
  `${path.join(ROOT, 'node_modules')}:/testbed/node_modules:ro`,
  `${path.join(ROOT, 'package.json')}:/testbed/package.json:ro`,
  `${NODE_BINARY}:/testbed/node:ro`,
  `${volumeName('disks')}:/disks`,
];
const partBinds = (parts: PartFolders, ...names: string[]): string[] =>
  names.map((name) => `${parts[name]}:/parts/${name}:ro`);

const start = (script: string): string[] => ['/usr/bin/tini', '--', `/testbed/nodes/${script}`];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export async function controlPlanePlan(parts: PartFolders, settings: Settings): Promise<ContainerPlan> {
  const audit = await readFile(path.join(scripts, 'audit.yaml'), 'utf8');
  const config = await writeConfig(CONTROL_PLANE, { 'audit.yaml': audit });
  return {
    name: CONTROL_PLANE,
    image: BASE_IMAGE,
    address: ADDRESSES.controlPlane,
    command: start('control-plane.sh'),
    binds: [
      ...commonBinds(CONTROL_PLANE),
      ...storageBinds,
      ...partBinds(parts, 'kubernetes', 'etcd-3.6', 'csi-provisioner', 'csi-resizer'),
      `${config.folder}:/config:ro`,
      `${FILES.pki}:/pki:ro`,
      `${volumeName('store')}:/var/lib/etcd`,
    ],
    tmpfs: ['/run', '/tmp', '/var/lib/kubelet'],
    powerful: true,
    ports: { [API_PORT]: settings.apiPort },
    env: {
      PATH,
      ADDRESS: ADDRESSES.controlPlane,
      SERVICES: ADDRESSES.services,
      ROUTES: routes(CONTROL_PLANE),
      CSI_DRIVER,
    },
    fingerprint: [config.hash, await scriptHash('control-plane.sh'), await storageHash()].join(),
  };
}

export async function nodePlan(node: NodePlan, parts: PartFolders): Promise<ContainerPlan> {
  const config = await writeConfig(node.name, {
    'containerd.toml': containerdConfig,
    'kubelet.yaml': kubeletConfig(node),
    'cni/10-pods.conflist': cniConfig(node),
    'resolv.conf': 'options ndots:1\n', // nothing outside is ever asked
  });
  return {
    name: node.name,
    image: BASE_IMAGE,
    address: node.address,
    command: start('node.sh'),
    binds: [
      ...commonBinds(node.name),
      ...storageBinds,
      ...partBinds(parts, 'kubernetes', 'containerd', 'cni'),
      `${config.folder}:/config:ro`,
      `${FILES.pki}:/pki:ro`,
      `${FILES.images}:/images:ro`,
      `${volumeName(`${node.name}-containerd`)}:/var/lib/containerd`,
      `${volumeName(`${node.name}-kubelet`)}:/var/lib/kubelet`,
    ],
    tmpfs: ['/run', '/tmp'],
    powerful: true,
    ports: {},
    env: {
      PATH: `/parts/containerd:${PATH}`,
      NODE: node.name,
      ZONE: node.zone,
      ADDRESS: node.address,
      PODS: ADDRESSES.pods,
      ROUTES: routes(node.name),
      CSI_DRIVER,
    },
    fingerprint: [config.hash, await scriptHash('node.sh'), await storageHash()].join(),
  };
}

export async function s3Plan(parts: PartFolders, settings: Settings): Promise<ContainerPlan> {
  await mkdir(path.join(FILES.logs, S3), { recursive: true });
  return {
    name: S3,
    image: BASE_IMAGE,
    address: ADDRESSES.s3,
    command: start('s3.sh'),
    binds: [...commonBinds(S3), ...partBinds(parts, 'versitygw'), `${volumeName('s3')}:/data`],
    tmpfs: ['/run', '/tmp'],
    powerful: true,
    ports: { [S3_PORT]: settings.s3Port },
    env: {
      PATH,
      PORT: String(S3_PORT),
      ACCESS_KEY: settings.s3AccessKey,
      SECRET_KEY: settings.s3SecretKey,
      ROUTES: routes(S3),
    },
    fingerprint: await scriptHash('s3.sh'),
  };
}
