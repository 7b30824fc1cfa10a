// SPDX-License-Identifier: Apache-2.0
// Tests that every name we give stays within Kubernetes' limits, up to the longest name of a cluster.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLUSTER_NAME,
  childNames,
  claimName,
  clientSecretName,
  LABELS,
  MAX_CLUSTER_NAME,
  memberHost,
} from './names.ts';

const SERVICE = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const OBJECT = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
/** The StatefulSet controller appends a dash and up to ten characters for the label of a revision. */
const REVISION_HASH = 11;

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('');
const letter = fc.constantFrom(...LETTERS);
const inner = fc.constantFrom(...LETTERS, ...'0123456789-'.split(''));
const name = fc
  .tuple(letter, fc.array(inner, { maxLength: MAX_CLUSTER_NAME - 2 }), letter)
  .map(([first, middle, last]) => `${first}${middle.join('')}${last}`);

describe('the names of a cluster', () => {
  it('are valid for every name that a cluster may have', () => {
    fc.assert(
      fc.property(name, (cluster) => {
        expect(cluster).toMatch(CLUSTER_NAME);
        const names = childNames(cluster);
        for (const service of [names.clientService, names.headlessService, `${cluster}-8`]) {
          expect(service).toMatch(SERVICE);
        }
        for (const object of [
          ...Object.values(names),
          claimName(cluster, 8),
          clientSecretName(cluster, 'c'.repeat(63)),
        ]) {
          expect(object).toMatch(OBJECT);
        }
        expect(cluster.length + REVISION_HASH).toBeLessThanOrEqual(63);
      }),
    );
  });
  it('are the documented ones', () => {
    expect(childNames('orders')).toEqual({
      config: 'orders-config',
      statefulSet: 'orders',
      clientService: 'orders-client',
      headlessService: 'orders-members',
      podDisruptionBudget: 'orders',
      peerPolicy: 'orders-peer',
      clientPolicy: 'orders-client',
      peerCa: 'orders-ca-peer',
      clientCa: 'orders-ca-client',
      peerTls: 'orders-tls-peer',
      serverTls: 'orders-tls-server',
      operatorTls: 'orders-tls-operator',
      backupTls: 'orders-tls-backup',
    });
    expect(claimName('orders', 2)).toBe('data-orders-2');
    expect(clientSecretName('orders', 'checkout')).toBe('orders-client-checkout');
    expect(memberHost('orders-0', 'shop')).toBe('orders-0.shop.svc');
    expect(LABELS.cluster).toBe('etcd.quorate.dev/cluster');
  });
  it('never take a client Secret for one of our own', () => {
    const own = Object.values(childNames('orders'));
    fc.assert(
      fc.property(name, (client) => {
        expect(own).not.toContain(clientSecretName('orders', client));
      }),
    );
  });
});
