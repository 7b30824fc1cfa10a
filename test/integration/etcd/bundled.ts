// SPDX-License-Identifier: Apache-2.0
// A program that is bundled like the operator and asks one member everything that needs a protocol definition.
import { buffer } from 'node:stream/consumers';
import { Agent } from 'undici';
import { MemberClient } from '../../../src/etcd/client.ts';
import { servedCertificate } from '../../../src/etcd/handshake.ts';
import { SnapshotVerifier } from '../../../src/etcd/snapshot.ts';
import { createAuthority, issueLeaf } from '../../../src/tls/authority.ts';
import { inspect } from '../../../src/tls/inspect.ts';

/** Endpoint and certificates, as JSON on the standard input. */
const { endpoint, tls } = JSON.parse((await buffer(process.stdin)).toString());
const client = new MemberClient(endpoint, tls);
const status = await client.status();
const { members } = await client.members({ linearizable: true });
const { revision } = await client.read();
const { hash } = await client.hashKv(0n);
const snapshot = (await client.snapshot()).pipe(new SnapshotVerifier());
await buffer(snapshot);
const leaf = await issueLeaf(await createAuthority({ commonName: 'bundled CA' }), {
  commonName: 'bundled',
  organization: 'quorate',
  dnsNames: ['bundled.example'],
  ipAddresses: ['198.18.0.1'],
  uris: ['quorate:bundled'],
  usages: ['server', 'client'],
});
const s3 = await import('@aws-sdk/client-s3');
const agent = new Agent();
const origin = `http://${endpoint.host}:${endpoint.metricsPort}`;
const health = await agent.request({ origin, path: '/health', method: 'GET' });
await health.body.dump();
const result = {
  version: status.version,
  members: members.map((m) => m.name),
  revision: String(revision),
  hash: hash > 0,
  snapshot: snapshot.ok,
  alarms: await client.alarms(),
  served: inspect(await servedCertificate(endpoint, tls)).commonName,
  issued: inspect(leaf.cert).uris,
  s3: typeof s3.S3Client,
  health: health.statusCode,
};
await agent.close();
client.close();
process.stdout.write(JSON.stringify(result));
