// SPDX-License-Identifier: Apache-2.0
// Fills a cluster's database with values that compress like stored objects do: half text that repeats, half random.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { channelCredentials, dial } from '../../../src/etcd/channel.ts';
import { MemberClient } from '../../../src/etcd/client.ts';
import type { KubeReader } from './kube.ts';
import type { Filled, FillSpec } from './protocol.ts';

const VALUE_BYTES = 512 * 1024;
const IN_FLIGHT = 4;

const text = Buffer.from(
  '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop","labels":{"app":"orders"}}}',
);

function value(): Buffer {
  const pieces: Buffer[] = [];
  for (let size = 0; size < VALUE_BYTES; size += 2 * text.length) pieces.push(text, randomBytes(text.length));
  return Buffer.concat(pieces).subarray(0, VALUE_BYTES);
}

/** Resolves when the leader's database has the size and no write is under way. */
export async function fill(kube: KubeReader, spec: FillSpec): Promise<Filled> {
  const end = performance.now() + spec.timeoutMs;
  const tls = await kube.tls(spec.namespace, spec.secret);
  const endpoints = await kube.endpoints(spec.namespace, spec.name);
  const [first] = endpoints;
  if (tls === undefined || first === undefined) throw new Error(`${spec.name} has no members or no certificate`);
  const channelOverride = dial(first, channelCredentials(tls));
  const etcd = new Etcd3({ hosts: first.host, grpcOptions: { channelOverride } });
  const client = new MemberClient(first, tls);
  try {
    for (let written = 0; ; written += IN_FLIGHT) {
      const { dbSize } = await client.status({ timeoutMs: 10_000 });
      if (dbSize >= spec.bytes) return { dbSize };
      if (performance.now() > end) throw new Error(`the database has only ${dbSize} bytes after ${spec.timeoutMs} ms`);
      const keys = Array.from({ length: IN_FLIGHT }, (_, i) => `bench/${String(written + i).padStart(6, '0')}`);
      await Promise.all(keys.map((key) => etcd.put(key).value(value()).exec()));
      await delay(5);
    }
  } finally {
    client.close();
    etcd.close();
    channelOverride.close();
  }
}
