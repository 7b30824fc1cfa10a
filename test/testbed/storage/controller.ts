// SPDX-License-Identifier: Apache-2.0
// The controller half of the storage driver: makes, grows and deletes images.
import { rm, truncate } from 'node:fs/promises';
import { capabilityProblem, createImage, existing, imageOf, sizeFor } from './disk.ts';
import { type Handlers, RpcError } from './serve.ts';

// Numbers of csi.v1.ControllerServiceCapability.RPC.Type.
const CREATE_DELETE_VOLUME = 1;
const EXPAND_VOLUME = 9;
const SINGLE_NODE_MULTI_WRITER = 13;

export const controller = (disks: string): Handlers => ({
  ControllerGetCapabilities: async () => ({
    capabilities: [CREATE_DELETE_VOLUME, EXPAND_VOLUME, SINGLE_NODE_MULTI_WRITER].map((type) => ({ rpc: { type } })),
  }),
  CreateVolume: async (request) => {
    const problem = capabilityProblem(request.volume_capabilities);
    if (problem !== undefined) throw new RpcError('INVALID_ARGUMENT', problem);
    if (request.volume_content_source) throw new RpcError('INVALID_ARGUMENT', 'no clones or snapshots');
    const range = request.capacity_range;
    const size = await createImage(imageOf(disks, request.name), sizeFor(range), range);
    return { volume: { volume_id: request.name, capacity_bytes: size } };
  },
  DeleteVolume: async (request) => {
    await rm(imageOf(disks, request.volume_id), { force: true });
    return {};
  },
  ValidateVolumeCapabilities: async (request) => {
    await existing(disks, request.volume_id);
    const message = capabilityProblem(request.volume_capabilities);
    return message === undefined ? { confirmed: { volume_capabilities: request.volume_capabilities } } : { message };
  },
  ControllerExpandVolume: async (request) => {
    const { file, size: have } = await existing(disks, request.volume_id);
    const size = sizeFor(request.capacity_range);
    if (size > have) await truncate(file, size);
    return { capacity_bytes: Math.max(size, have), node_expansion_required: true };
  },
});
