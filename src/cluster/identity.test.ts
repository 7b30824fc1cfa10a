// SPDX-License-Identifier: Apache-2.0
// What existing claims ask for, and when the record is believed.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../api/names.ts';
import type { PersistentVolumeClaim } from '../runtime/resources.ts';
import { decodeIdentity, drawIdentity, encodeIdentity, type Formation, recoverIdentity } from './identity.ts';

const wanted = {
  replicas: 3,
  version: '3.6.16',
  image: {},
  etcd: {},
  pods: {},
  storage: { size: '1Gi', accessMode: 'ReadWriteOnce' },
} as unknown as Formation;

const claim = (ordinal: number, genesis: string | undefined, formed = true, size = '1Gi'): PersistentVolumeClaim =>
  ({
    metadata: {
      name: `data-orders-${ordinal}`,
      annotations:
        genesis === undefined
          ? {}
          : {
              [ANNOTATIONS.genesis]: genesis,
              [ANNOTATIONS.incarnation]: `0000000${ordinal}`,
              [ANNOTATIONS.formed]: String(formed),
              [ANNOTATIONS.version]: '3.5.33',
            },
    },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
  }) satisfies PersistentVolumeClaim;

const changed = (c: PersistentVolumeClaim, annotations: Record<string, string>): PersistentVolumeClaim => ({
  ...c,
  metadata: { ...c.metadata, annotations: { ...c.metadata.annotations, ...annotations } },
});

const recover = (...claims: PersistentVolumeClaim[]) => recoverIdentity('orders', claims, wanted);
const identityOf = (...claims: PersistentVolumeClaim[]) => {
  const found = recover(...claims);
  if (found.kind !== 'identity') throw new Error(found.kind);
  return found.identity;
};

describe('recoverIdentity', () => {
  it('finds nothing in no claims, in strange claims, and in claims of a formation that never finished', () => {
    expect(recover().kind).toBe('none');
    expect(recover(claim(0, undefined)).kind).toBe('none');
    expect(recover(claim(0, 'a', false), claim(1, 'a', false)).kind).toBe('none');
  });

  it('is formed, hence sealed, as soon as one claim says so', () => {
    const identity = identityOf(claim(0, 'a'), claim(1, 'a', false), claim(2, 'a'));
    expect(identity.phase).toBe('Formed');
    expect(identity.genesis).toBe('a');
    expect(identity.members.map((m) => m.name)).toEqual(['orders-0', 'orders-1', 'orders-2']);
  });

  it('takes number, version and storage from the claims, not from the new spec', () => {
    const { formation } = identityOf(claim(0, 'a', true, '2Gi'));
    expect([formation.replicas, formation.version, formation.storage.size]).toEqual([1, '3.5.33', '2Gi']);
  });

  it('misses a lost claim of the last member too, since every claim says how many there are', () => {
    const of3 = { [ANNOTATIONS.replicas]: '3' };
    const { members, formation } = identityOf(changed(claim(0, 'a'), of3), changed(claim(1, 'a'), of3));
    expect([members.length, formation.replicas]).toEqual([3, 3]);
    expect(identityOf(changed(claim(0, 'a'), { [ANNOTATIONS.replicas]: 'many' })).members).toHaveLength(1);
  });

  it('takes no copy of a claim for the claim', () => {
    const copy = claim(0, 'a');
    for (const name of [
      'data-orders-0-clone',
      'data-orders-00',
      'data-orders-',
      'data-orders-x',
      'old-data-orders-0',
    ]) {
      const copied = { ...copy, metadata: { ...copy.metadata, name } };
      expect(recover(copied).kind, name).toBe('none');
      expect(identityOf(claim(0, 'a'), copied).members.map((m) => m.name)).toEqual(['orders-0']);
    }
  });

  it('waits for claims that are being deleted, instead of taking over data that is about to go', () => {
    const leaving = claim(1, 'b');
    leaving.metadata.deletionTimestamp = '2026-11-23T10:00:00Z';
    for (const claims of [[leaving], [claim(0, 'a'), leaving]]) {
      const found = recover(...claims);
      expect(found).toMatchObject({ kind: 'waiting' });
      expect(found.kind === 'waiting' && found.message).toContain('waiting until');
      expect(found.kind === 'waiting' && found.message).toContain('data-orders-1');
    }
  });

  it('keeps the incarnations, and gives a lost member one that no volume holds', () => {
    const { members } = identityOf(claim(0, 'a'), claim(2, 'a'));
    expect(members[0]?.incarnation).toBe('00000000');
    expect(members[2]?.incarnation).toBe('00000002');
    expect(members[1]?.incarnation).not.toMatch(/^0000000[02]$/);
  });

  it('never mixes the data of two clusters', () => {
    const found = recover(claim(0, 'a'), claim(1, 'b'));
    expect(found).toMatchObject({ kind: 'refused' });
    expect(found.kind === 'refused' && found.message).toContain('data-orders-0 (a), data-orders-1 (b)');
  });
});

describe('the record', () => {
  const identity = drawIdentity('orders', wanted);
  const config = (data: Record<string, string>) => ({ metadata: { name: 'orders-config' }, data });

  it('is read back as it was written', () => {
    expect(decodeIdentity(config(encodeIdentity(identity)))).toEqual(identity);
  });

  it('is not believed when somebody changed, emptied or removed it', () => {
    const data = encodeIdentity(identity);
    const other = JSON.stringify({ ...identity, genesis: 'ffffffffffffffff' });
    for (const edit of [
      { ...data, 'identity.json': other },
      { ...data, 'identity.json': '{}' },
      { ...data, checksum: '' },
      {},
    ]) {
      expect(() => decodeIdentity(config(edit))).toThrow(/orders-config was edited/);
    }
  });
});
