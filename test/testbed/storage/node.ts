// SPDX-License-Identifier: Apache-2.0
// The node half of the storage driver: mounts images through loop devices, and grows them while they are in use.
import { mkdir, rmdir, statfs } from 'node:fs/promises';
import { capabilityProblem, deviceAt, existing, run } from './disk.ts';
import { type Capability, type Handlers, RpcError } from './serve.ts';

// Numbers of csi.v1.NodeServiceCapability.RPC.Type.
const STAGE_UNSTAGE_VOLUME = 1;
const GET_VOLUME_STATS = 2;
const EXPAND_VOLUME = 3;
const SINGLE_NODE_MULTI_WRITER = 5;

function usable(capability: Capability | null): Capability {
  const problem = capability === null ? 'volume_capability is required' : capabilityProblem([capability]);
  if (capability === null || problem !== undefined) throw new RpcError('INVALID_ARGUMENT', problem ?? '');
  return capability;
}

async function stage(disks: string, id: string, target: string, capability: Capability): Promise<void> {
  const { file } = await existing(disks, id);
  if ((await deviceAt(target)) !== undefined) return;
  // All nodes share one kernel, so a mount of another node shows here: refuse, as a disk with one attachment does.
  const held = await run('losetup', '-n', '-O', 'NAME', '-j', file);
  if (held !== '') throw new RpcError('FAILED_PRECONDITION', `${id} is in use (${held})`);
  await mkdir(target, { recursive: true });
  // mount(8) makes the loop device go with its last mount, also when the node is killed.
  const options = ['loop', 'noatime', ...(capability.mount?.mount_flags ?? [])].join(',');
  await run('mount', '-t', 'xfs', '-o', options, file, target);
}

const mounting = (disks: string): Handlers => ({
  NodeStageVolume: async (request) => {
    const capability = usable(request.volume_capability);
    await stage(disks, request.volume_id, request.staging_target_path, capability);
    return {};
  },
  NodeUnstageVolume: async (request) => {
    if ((await deviceAt(request.staging_target_path)) !== undefined) await run('umount', request.staging_target_path);
    return {};
  },
  NodePublishVolume: async (request) => {
    const capability = usable(request.volume_capability);
    const { staging_target_path: source, target_path: target } = request;
    // A disk that was replaced while the kubelet took it for staged is staged again.
    await stage(disks, request.volume_id, source, capability);
    if ((await deviceAt(target)) !== undefined) return {};
    await mkdir(target, { recursive: true });
    await run('mount', '--bind', source, target);
    if (request.readonly) await run('mount', '-o', 'remount,bind,ro', target);
    return {};
  },
  NodeUnpublishVolume: async (request) => {
    if ((await deviceAt(request.target_path)) !== undefined) await run('umount', request.target_path);
    await rmdir(request.target_path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    return {};
  },
});

export const node = (disks: string, name: string): Handlers => ({
  ...mounting(disks),
  NodeGetInfo: async () => ({ node_id: name }),
  NodeGetCapabilities: async () => ({
    capabilities: [STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, EXPAND_VOLUME, SINGLE_NODE_MULTI_WRITER].map((type) => ({
      rpc: { type },
    })),
  }),
  NodeExpandVolume: async (request) => {
    const { size } = await existing(disks, request.volume_id);
    const at = request.staging_target_path || request.volume_path;
    const device = await deviceAt(at);
    if (device === undefined) throw new RpcError('NOT_FOUND', `nothing is mounted at ${at}`);
    await run('losetup', '-c', device);
    await run('xfs_growfs', '-d', at);
    return { capacity_bytes: size };
  },
  NodeGetVolumeStats: async (request) => {
    const at = request.volume_path;
    if ((await deviceAt(at)) === undefined) throw new RpcError('NOT_FOUND', `nothing is mounted at ${at}`);
    const { blocks, bfree, bavail, bsize, files, ffree } = await statfs(at);
    return {
      usage: [
        { unit: 'BYTES', total: blocks * bsize, available: bavail * bsize, used: (blocks - bfree) * bsize },
        { unit: 'INODES', total: files, available: ffree, used: files - ffree },
      ],
    };
  },
});
