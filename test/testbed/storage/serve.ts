// SPDX-License-Identifier: Apache-2.0
// Serves handlers over gRPC on a Unix socket: one call at a time for each volume, errors with codes, a log line per call.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface Capability {
  block?: object | null;
  mount?: { fs_type: string; mount_flags: string[] } | null;
  access_mode?: { mode: string } | null;
}

/** The fields of all requests of this driver; each has those that its message has, and proto3's defaults. */
export interface Request {
  name: string;
  volume_id: string;
  capacity_range: { required_bytes: number; limit_bytes: number } | null;
  volume_capabilities: Capability[];
  volume_capability: Capability | null;
  volume_content_source: object | null;
  staging_target_path: string;
  target_path: string;
  volume_path: string;
  readonly: boolean;
  plugin_registered: boolean;
  error: string;
}
export type Handlers = Readonly<Record<string, (request: Request) => Promise<object>>>;

export class RpcError extends Error {
  readonly code: grpc.status;
  constructor(code: keyof typeof grpc.status, message: string) {
    super(message);
    this.code = grpc.status[code];
  }
}

const tails = new Map<string, Promise<unknown>>();

/** One call at a time for each volume, because the kubelet and the sidecars repeat calls that time out. */
function serialized<T>(id: string, work: () => Promise<T>): Promise<T> {
  const next = (tails.get(id) ?? Promise.resolve()).then(work, work);
  tails.set(id, next);
  const forget = () => {
    if (tails.get(id) === next) tails.delete(id);
  };
  void next.then(forget, forget);
  return next;
}

interface Fault {
  delayMs?: number;
  error?: string;
}

/** Faults that a test asked for: `faults/<volume>.json`, or `faults/all.json`, says per method what goes wrong. */
async function suffer(folder: string, method: string, id: string): Promise<void> {
  for (const name of [id, 'all']) {
    const text = await readFile(path.join(folder, 'faults', `${name}.json`), 'utf8').catch(() => '{}');
    const fault = (JSON.parse(text) as Record<string, Fault | undefined>)[method];
    if (fault?.delayMs !== undefined) await delay(fault.delayMs);
    if (fault?.error !== undefined) throw new RpcError('INTERNAL', fault.error);
  }
}

const QUIET = /Probe|GetInfo|GetPlugin|GetCapabilities|GetVolumeStats/;
const log = (entry: object): void => console.log(JSON.stringify({ time: new Date().toISOString(), ...entry }));

export interface ServiceOptions {
  readonly server: grpc.Server;
  readonly file: string;
  readonly service: string;
  readonly handlers: Handlers;
  readonly disks: string;
}

/** Adds one service of a proto file, such as `csi.v1.Node`, to a server. */
export function addService(o: ServiceOptions): void {
  const file = path.join(import.meta.dirname, o.file);
  const definition = loadSync(file, { keepCase: true, longs: Number, enums: String, defaults: true });
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const [method, handler] of Object.entries(o.handlers)) {
    const unary: grpc.handleUnaryCall<Request, object> = (call, reply) => {
      const { request } = call;
      const id = request.volume_id || request.name || '';
      const began = performance.now();
      const report = (error?: string) => {
        if (!QUIET.test(method) || error !== undefined)
          log({ method, id, ms: Math.round(performance.now() - began), error });
      };
      const ended = (response: object) => {
        report();
        reply(null, response);
      };
      const failed = (error: Error) => {
        report(error.message);
        reply({ code: error instanceof RpcError ? error.code : grpc.status.INTERNAL, details: error.message });
      };
      const work = async () => {
        if (id !== '') await suffer(o.disks, method, id);
        return handler(request);
      };
      void (id === '' ? work() : serialized(id, work)).then(ended, failed);
    };
    implementation[method] = unary;
  }
  o.server.addService(definition[o.service] as grpc.ServiceDefinition, implementation);
}

/** Starts to listen on a socket; one that a dead process left is replaced. */
export async function listen(server: grpc.Server, socket: string): Promise<void> {
  await rm(socket, { force: true });
  const bind = promisify(server.bindAsync.bind(server));
  await bind(`unix://${socket}`, grpc.ServerCredentials.createInsecure());
  log({ listening: socket });
}
