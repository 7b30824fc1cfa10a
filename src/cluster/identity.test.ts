// SPDX-License-Identifier: Apache-2.0
// What existing claims ask for, and when the record is believed.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../api/names.ts';
import type { PersistentVolumeClaim } from '../runtime/resources.ts';
import { cluster, identity, spec } from './fixtures.ts';
import { edits, encodeOptions, type Formation, formationOf } from './formation.ts';
import {
  decodeIdentity,
  drawIdentity,
  encodeIdentity,
  fingerprint,
  missingClaims,
  recoverIdentity,
} from './identity.ts';
import { renderClaims } from './render/statefulset.ts';

const wanted = formationOf(spec);
const digest = `sha256:${'0'.repeat(64)}`;

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
const adopted = (claims: PersistentVolumeClaim[], asked: Formation) => {
  const found = recoverIdentity('orders', claims, asked);
  if (found.kind !== 'identity') throw new Error(found.kind);
  return found;
};
const identityOf = (...claims: PersistentVolumeClaim[]) => adopted(claims, wanted).identity;

/** As they are on the API server, of a cluster that was formed with these options. */
const claimsOf = (formation: Formation): PersistentVolumeClaim[] =>
  renderClaims(cluster, { ...identity, formation }).map((c) => c.desired);

describe('recoverIdentity', () => {
  it('finds nothing in no claims, in strange claims, and in claims of a formation that never finished', () => {
    expect(recover().kind).toBe('none');
    expect(recover(claim(0, undefined)).kind).toBe('none');
    expect(recover(claim(0, 'a', false), claim(1, 'a', false)).kind).toBe('none');
  });

  it('is formed, hence sealed, as soon as one claim says so, and keeps what the others say of their data', () => {
    const found = identityOf(claim(0, 'a'), claim(1, 'a', false), claim(2, 'a', false));
    expect([found.phase, found.genesis]).toEqual(['Formed', 'a']);
    expect(found.members).toEqual(
      [0, 1, 2].map((i) => ({ name: `orders-${i}`, incarnation: `0000000${i}`, sealed: true })),
    );
  });

  it.each([ANNOTATIONS.genesis, ANNOTATIONS.incarnation])('knows nothing of a claim without %s', (key) => {
    const bare = claim(0, 'a');
    delete bare.metadata.annotations?.[key];
    expect(recover(bare).kind).toBe('none');
  });

  it('knows nothing of a claim of another attempt', () => {
    const [, second] = identityOf(claim(0, 'a'), claim(1, 'b', false), claim(2, 'a')).members;
    expect(second?.incarnation).not.toBe('00000001');
  });

  it('is the record that was lost, whatever the spec asks for now', () => {
    const formation: Formation = {
      ...wanted,
      etcd: { ...wanted.etcd, quota: '128Mi', heartbeatInterval: '200ms' },
      quota: '128Mi',
      image: { ...wanted.image, digest },
      pods: { ...wanted.pods, nodeSelector: { disk: 'ssd' } },
    };
    const now = {
      ...wanted,
      version: '3.7.3',
      replicas: 5,
      image: { ...wanted.image, repository: 'example.com/etcd' },
    };
    const { authorities: _, ...rest } = identity;
    expect(adopted(claimsOf(formation), now)).toEqual({
      kind: 'identity',
      from: 'claims',
      identity: { ...rest, formation },
    });
  });

  it('believes the one claim that still tells the options, and none that tells nonsense', () => {
    const formation = { ...wanted, etcd: { ...wanted.etcd, snapshotCount: 5000 } };
    const text = encodeOptions(formation);
    const other = text.replace('5000', '7000');
    for (const nonsense of [
      '',
      '{',
      '7',
      'null',
      '{}',
      other.replace('256Mi', 'much'),
      other.replace('"256Mi"', '256'),
      other.replace(',"quota":"256Mi"', ''),
      other.replace('7000', '"7000"'),
    ]) {
      expect(nonsense).not.toBe(other);
      const told = changed(claim(1, 'a'), { [ANNOTATIONS.formation]: text });
      const found = adopted([changed(claim(0, 'a'), { [ANNOTATIONS.formation]: nonsense }), told], wanted);
      const { etcd, quota } = found.identity.formation;
      expect([nonsense, etcd.snapshotCount, quota, found.assumed]).toEqual([nonsense, 5000, '256Mi', undefined]);
    }
  });

  it('says what no claim tells', () => {
    expect(adopted([claim(0, 'a')], wanted).assumed).toBe('spec.image, spec.etcd and spec.pods');
  });

  it.each([
    ['3.6.16', undefined],
    ['3.5.33', digest],
  ])('never opens the data of 3.5.33 with the digest of another version: %s is asked for', (version, kept) => {
    const { formation } = adopted([claim(0, 'a')], { ...wanted, version, image: { ...wanted.image, digest } }).identity;
    expect([formation.version, formation.image.digest]).toEqual(['3.5.33', kept]);
  });

  it('believes the one claim that still tells the version, and the spec where none does', () => {
    const [silent, telling] = [claim(0, 'a'), claim(1, 'a')];
    delete silent.metadata.annotations?.[ANNOTATIONS.version];
    expect(identityOf(silent, telling).formation.version).toBe('3.5.33');
    expect(identityOf(silent).formation.version).toBe('3.6.16');
  });

  it.each([
    ['is told where another one is asked for', 'fast', 'slow', 'slow'],
    ['is nothing to tell where it was left to Kubernetes', undefined, 'slow', undefined],
    ['of a claim that has none is none', 'fast', undefined, undefined],
  ])('the class of the storage that is there %s', (_sentence, asked, there, recorded) => {
    const c = claim(0, 'a');
    const held = { ...c, spec: { ...c.spec, accessModes: ['ReadWriteOncePod'], storageClassName: there } };
    const storage = { ...wanted.storage, storageClassName: asked } as Formation['storage'];
    const found = adopted([held], { ...wanted, storage }).identity.formation.storage;
    expect(found).toEqual({
      size: '1Gi',
      accessMode: 'ReadWriteOncePod',
      ...(recorded === undefined ? {} : { storageClassName: recorded }),
    });
  });

  it('takes what a claim does not say of its storage from the spec', () => {
    const bare = { ...claim(0, 'a'), spec: {} };
    expect(identityOf(bare).formation.storage).toEqual(wanted.storage);
  });

  it('takes number, version and storage from the claims, not from the new spec', () => {
    const { formation } = identityOf(claim(0, 'a', true, '2Gi'));
    expect([formation.replicas, formation.version, formation.storage.size]).toEqual([1, '3.5.33', '2Gi']);
  });

  it.each(['1181116006400m', '1Ei', '1e9', 'what nobody can read'])(
    'reads a size as the API server writes it: %s',
    (size) => {
      expect(identityOf(claim(0, 'a', true, size)).formation.storage.size).toBe(size);
    },
  );

  it('sees no other size where the API server wrote the same in its own words', () => {
    const asked = { ...spec, storage: { ...spec.storage, size: '1.1Gi' } };
    const { formation } = adopted([claim(0, 'a', true, '1181116006400m')], formationOf(asked)).identity;
    expect(edits(asked, { ...formation, replicas: 3, version: '3.6.16' })).toEqual([]);
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

  it('takes the incarnation of a lost claim from what the others tell: its volume may still be there', () => {
    const all = { [ANNOTATIONS.replicas]: '3', [ANNOTATIONS.incarnations]: '00000000,0000beef,00000002' };
    const { members } = identityOf(changed(claim(0, 'a'), all), claim(2, 'a'));
    expect(members.map((m) => m.incarnation)).toEqual(['00000000', '0000beef', '00000002']);
    for (const nonsense of ['', 'x,y,z', '00000000,0000beef']) {
      const told = identityOf(changed(claim(0, 'a'), { ...all, [ANNOTATIONS.incarnations]: nonsense }), claim(2, 'a'));
      expect(told.members[1]?.incarnation, nonsense).toMatch(/^[0-9a-f]{8}$/);
      expect(told.members[1]?.incarnation, nonsense).not.toBe('0000beef');
    }
  });

  it('asks by name for the claims of a formed cluster that no label shows', () => {
    const of3 = { [ANNOTATIONS.replicas]: '3' };
    expect(missingClaims('orders', [changed(claim(1, 'a'), of3)])).toEqual(['data-orders-0', 'data-orders-2']);
    expect(missingClaims('orders', [changed(claim(1, 'a'), { ...of3, [ANNOTATIONS.formed]: 'false' })])).toEqual([]);
    expect(missingClaims('orders', [claim(0, 'a')]), 'does not say how many').toEqual([]);
    expect(missingClaims('orders', [])).toEqual([]);
  });

  it('never mixes the data of two clusters', () => {
    const found = recover(claim(1, 'b'), claim(0, 'a'));
    expect(found).toMatchObject({ kind: 'refused' });
    expect(found.kind === 'refused' && found.message).toContain('data-orders-0 (a), data-orders-1 (b)');
  });
});

describe('the record', () => {
  const drawn = drawIdentity('orders', wanted);
  const config = (data: Record<string, string>) => ({ metadata: { name: 'orders-config' }, data });

  it('is read back as it was written', () => {
    expect(decodeIdentity(config(encodeIdentity(drawn)))).toEqual(drawn);
  });

  it('written before a field came to be has its default: an upgrade of the operator is no edit', () => {
    const { snapshotCount: _, ...etcd } = wanted.etcd;
    const { pullPolicy: __, ...image } = wanted.image;
    const old = { ...drawn, formation: { ...wanted, etcd, image } as unknown as Formation };
    const { formation } = decodeIdentity(config(encodeIdentity(old)));
    expect(formation.etcd.snapshotCount).toBe(10_000);
    expect(edits(spec, formation)).toEqual([]);
  });

  const [first, ...others] = drawn.members;
  it.each<[string, object]>([
    ['a genesis that would name another directory', { ...drawn, genesis: '../../../../etc' }],
    ['no genesis', { ...drawn, genesis: undefined }],
    ['a phase that nobody knows', { ...drawn, phase: 'Open' }],
    ['no phase', { ...drawn, phase: undefined }],
    ['no members', { ...drawn, members: [] }],
    ['members that are no list', { ...drawn, members: {} }],
    ['a member without a name', { ...drawn, members: [{ ...first, name: undefined }, ...others] }],
    ['a member whose incarnation is a path', { ...drawn, members: [{ ...first, incarnation: '..' }, ...others] }],
    [
      'a member that does not say whether it is sealed',
      { ...drawn, members: [{ ...first, sealed: 'yes' }, ...others] },
    ],
    ['no formation', { ...drawn, formation: undefined }],
  ])('is not believed with %s, whatever its checksum', (_what, record) => {
    const data = encodeIdentity(record as typeof drawn);
    expect(() => decodeIdentity(config(data))).toThrow(/orders-config was edited/);
  });

  it('is not believed when it is no JSON, whatever its checksum', () => {
    const text = '{';
    expect(() => decodeIdentity(config({ 'identity.json': text, checksum: fingerprint(text) }))).toThrow(/was edited/);
  });

  it('draws tokens that no other cluster has', () => {
    expect(drawn.genesis).toMatch(/^[0-9a-f]{16}$/);
    expect(drawn.members.map((m) => m.incarnation)).toEqual(
      [0, 1, 2].map(() => expect.stringMatching(/^[0-9a-f]{8}$/) as string),
    );
    expect(drawIdentity('orders', wanted).genesis).not.toBe(drawn.genesis);
  });

  it('is not believed when somebody changed, emptied or removed it', () => {
    const data = encodeIdentity(drawn);
    const other = JSON.stringify({ ...drawn, genesis: 'ffffffffffffffff' });
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
