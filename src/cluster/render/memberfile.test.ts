// SPDX-License-Identifier: Apache-2.0
// The file of a member: only an open one lets it start on an empty directory, and each says whose data it is.
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { allSealed, forming, identity, unsealed } from '../fixtures.ts';
import type { Identity } from '../identity.ts';
import { renderMemberFiles } from './memberfile.ts';

const fileOf = (record: Identity, name = 'orders-0'): Record<string, unknown> =>
  parse(renderMemberFiles(record, 'shop').files[`${name}.yaml`] ?? '') as Record<string, unknown>;
const peers = (...names: string[]) => names.map((n) => `${n}=https://${n}.shop.svc:2380`).join(',');

describe('the file of a member', () => {
  it('that is open names all members of a new cluster', () => {
    expect(fileOf(unsealed)).toMatchObject({
      name: 'orders-0',
      'initial-cluster-state': 'new',
      'initial-cluster': peers('orders-0', 'orders-1', 'orders-2'),
    });
  });

  it.each([
    ['sealed', allSealed],
    ['of a formed cluster', identity],
  ])('that is %s names nobody but itself, and an existing cluster', (_which, record) => {
    for (const { name } of record.members)
      expect(fileOf(record, name)).toMatchObject({
        name,
        'initial-cluster-state': 'existing',
        'initial-cluster': peers(name),
      });
  });

  it('is sealed for itself alone', () => {
    const states = ['orders-0', 'orders-1'].map((name) => fileOf(forming(1), name)['initial-cluster-state']);
    expect(states).toEqual(['new', 'existing']);
  });

  it('names a directory of this genesis and this incarnation, and the genesis as token', () => {
    expect(fileOf(identity, 'orders-2')).toMatchObject({
      'data-dir': '/var/lib/etcd/00112233aabbccdd/00000002',
      'initial-cluster-token': '00112233aabbccdd',
    });
  });

  it('demands client certificates on both ports, and has the options of the formation', () => {
    const security = { 'client-cert-auth': true };
    expect(fileOf(identity)).toMatchObject({
      'client-transport-security': security,
      'peer-transport-security': security,
      'tls-min-version': 'TLS1.2',
      'enable-grpc-gateway': false,
      'strict-reconfig-check': true,
      'quota-backend-bytes': 256 * 2 ** 20,
      'max-request-bytes': 1536 * 2 ** 10,
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '5m',
      'heartbeat-interval': 100,
      'election-timeout': 1000,
      'snapshot-count': 10_000,
    });
  });

  it('has a proof of its own, which changes with it', () => {
    const [open, sealed] = [renderMemberFiles(unsealed, 'shop').proofs, renderMemberFiles(forming(0), 'shop').proofs];
    expect(open['orders-0']).toMatch(/^urn:quorate:file:orders-0:[0-9a-f]{64}$/);
    expect(sealed['orders-0']).not.toBe(open['orders-0']);
    expect(sealed['orders-1']).toBe(open['orders-1']);
    expect(new Set(Object.values(open)).size).toBe(3);
  });
});
