// SPDX-License-Identifier: Apache-2.0
// Loads the protocol definition. The bundle replaces this module by one with the definition inside.
import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

export const definition: PackageDefinition = loadSync(fileURLToPath(new URL('./proto/etcd.proto', import.meta.url)), {
  keepCase: true,
  enums: String,
  defaults: true,
  oneofs: true,
});
