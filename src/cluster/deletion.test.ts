// SPDX-License-Identifier: Apache-2.0
// Which claims go with a cluster whose policy is Delete, and which are not its own.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, FINALIZERS } from '../api/names.ts';
import type { PersistentVolumeClaim } from '../runtime/resources.ts';
import { doomed, finalizerDue } from './deletion.ts';

const MADE = '2026-11-23T10:00:00Z';

const claim = (name: string, genesis?: string, formed = true): PersistentVolumeClaim => ({
  metadata: {
    name,
    ...(genesis === undefined
      ? {}
      : {
          annotations: {
            [ANNOTATIONS.genesis]: genesis,
            [ANNOTATIONS.incarnation]: '00000000',
            [ANNOTATIONS.formed]: String(formed),
          },
        }),
  },
});

/** Bound to a volume, and made at that time. */
const holding = (c: PersistentVolumeClaim, creationTimestamp: string): PersistentVolumeClaim => ({
  ...c,
  metadata: { ...c.metadata, creationTimestamp },
  spec: { volumeName: 'pvc-1' },
});
const older = (c: PersistentVolumeClaim) => holding(c, '2026-11-22T10:00:00Z');
const younger = (c: PersistentVolumeClaim) => holding(c, '2026-11-23T10:00:01Z');

const cluster = (genesis?: string) =>
  ({ metadata: { name: 'orders', creationTimestamp: MADE }, status: { genesis } }) as EtcdCluster;

describe('with the policy Delete', () => {
  it.each<[string, PersistentVolumeClaim, { record?: string; status?: string }, boolean]>([
    ['the data of the recorded cluster goes', claim('data-orders-0', 'own'), { record: 'own' }, true],
    ['without a record, the data that status names goes', claim('data-orders-0', 'own'), { status: 'own' }, true],
    ['data of another formed cluster stays', claim('data-orders-0', 'other'), { record: 'own', status: 'own' }, false],
    ['with neither record nor status, formed data stays', claim('data-orders-0', 'own'), {}, false],
    ['a copy under another name stays', claim('data-orders-0-clone', 'own'), { record: 'own' }, false],
    ['an attempt that never formed goes', claim('data-orders-2', 'first', false), { record: 'own' }, true],
    ['the empty claim of the StatefulSet controller goes', claim('data-orders-2'), { record: 'own' }, true],
    ['a labelled claim of no member stays', claim('scratch'), { record: 'own' }, false],
    ['an older volume that carries its mark goes', older(claim('data-orders-0', 'own')), { record: 'own' }, true],
    ['an older volume without a mark stays', older(claim('data-orders-0')), { record: 'own' }, false],
    ['so it does with neither record nor status', older(claim('data-orders-0')), {}, false],
    [
      'so does one of an attempt that is not its own',
      older(claim('data-orders-0', 'x', false)),
      { record: 'own' },
      false,
    ],
    ['a younger volume without a mark goes', younger(claim('data-orders-2')), { record: 'own' }, true],
    ['so does one of its own attempt', younger(claim('data-orders-2', 'first', false)), { record: 'own' }, true],
  ])('%s', (_sentence, given, { record, status }, goes) => {
    expect(doomed([given], cluster(status), record)).toEqual(goes ? [given] : []);
  });

  it('what is marked in part stays whole', () => {
    const claims = [claim('data-orders-0', 'other'), claim('data-orders-1', 'other', false)];
    expect(doomed(claims, cluster('own'), 'own')).toEqual([]);
  });
});

describe('the finalizer', () => {
  it.each<[string, 'Delete' | 'Retain' | undefined, string[], boolean]>([
    ['is put on before there is anything to delete', 'Delete', ['example.com/audit'], true],
    ['is on, and stays', 'Delete', [FINALIZERS.claims], false],
    ['goes when the policy says Retain again', 'Retain', [FINALIZERS.claims], true],
    ['goes when the policy is gone', undefined, [FINALIZERS.claims], true],
    ['is not put on where the claims stay', 'Retain', ['example.com/audit'], false],
  ])('%s', (_sentence, whenDeleted, finalizers, due) => {
    const storage = whenDeleted === undefined ? {} : { retentionPolicy: { whenDeleted } };
    const object = { metadata: { name: 'orders', finalizers }, spec: { storage } } as unknown as EtcdCluster;
    expect(finalizerDue(object)).toBe(due);
    const metadata = { ...object.metadata, deletionTimestamp: '2026-11-23T10:00:00Z' };
    expect(finalizerDue({ ...object, metadata }), 'once the deletion has begun').toBe(false);
  });
});
