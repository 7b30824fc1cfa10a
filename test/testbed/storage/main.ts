// SPDX-License-Identifier: Apache-2.0
// The storage driver's process: the controller half beside the sidecars, the node half in each node.
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import { controller } from './controller.ts';
import { node } from './node.ts';
import { addService, type Handlers, listen } from './serve.ts';

const { values } = parseArgs({
  options: {
    mode: { type: 'string' },
    name: { type: 'string' },
    node: { type: 'string' },
    disks: { type: 'string', default: '/disks' },
    kubelet: { type: 'string', default: '/var/lib/kubelet' },
  },
});
const { mode, name, node: nodeName, disks, kubelet } = values;
if (name === undefined || nodeName === undefined || (mode !== 'node' && mode !== 'controller'))
  throw new Error('--mode=node|controller, --name and --node are required');

// Numbers of csi.v1.PluginCapability: CONTROLLER_SERVICE and ONLINE expansion.
const identity: Handlers = {
  GetPluginInfo: async () => ({ name, vendor_version: '0.1.0' }),
  GetPluginCapabilities: async () => ({ capabilities: [{ service: { type: 1 } }, { volume_expansion: { type: 1 } }] }),
  Probe: async () => ({ ready: { value: true } }),
};
const socket = path.join(kubelet, 'plugins', name, 'csi.sock');
const registrationSocket = path.join(kubelet, 'plugins_registry', `${name}-reg.sock`);
const registration: Handlers = {
  GetInfo: async () => ({ type: 'CSIPlugin', name, endpoint: socket, supported_versions: ['1.0.0'] }),
  NotifyRegistrationStatus: async (request) => {
    // The kubelet asks once; ending makes the supervisor start again and the kubelet ask again.
    if (!request.plugin_registered) setImmediate(() => process.exit(1));
    return {};
  },
};

const server = new grpc.Server();
addService({ server, file: 'csi.proto', service: 'csi.v1.Identity', handlers: identity, disks });
if (mode === 'controller') {
  addService({ server, file: 'csi.proto', service: 'csi.v1.Controller', handlers: controller(disks), disks });
} else {
  addService({ server, file: 'csi.proto', service: 'csi.v1.Node', handlers: node(disks, nodeName), disks });
  const file = 'registration.proto';
  addService({ server, file, service: 'pluginregistration.Registration', handlers: registration, disks });
}
await mkdir(path.dirname(socket), { recursive: true });
await listen(server, socket);
if (mode === 'node') {
  // Last, because its appearing makes the kubelet call.
  await mkdir(path.dirname(registrationSocket), { recursive: true });
  await listen(server, registrationSocket);
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void rm(registrationSocket, { force: true }).then(() => server.tryShutdown(() => process.exit(0)));
  });
}
