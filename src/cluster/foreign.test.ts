// SPDX-License-Identifier: Apache-2.0
// Whose an object is, by its controller, and which pods are members: a label alone makes none.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS, LABELS } from '../api/names.ts';
import type { OwnerReference } from '../runtime/json.ts';
import type { Pod } from '../runtime/resources.ts';
import { cluster } from './fixtures.ts';
import { foreignness, isLeftOver, isMember, isOfSet, isOrphan } from './foreign.ts';
import type { Foreign } from './observed.ts';

const labels = { [LABELS.cluster]: 'orders', 'app.kubernetes.io/component': 'member' };
const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'x', controller: true }],
});

const ours: OwnerReference = { apiVersion: 'v', kind: 'EtcdCluster', name: 'orders', uid: 'u1', controller: true };
const { controller: _, ...owner } = ours;

describe('an object of our name', () => {
  it.each<[string, OwnerReference[], Foreign]>([
    ['that this EtcdCluster controls is ours', [ours], undefined],
    ['is ours whoever else owns it', [{ ...owner, kind: 'Other', uid: 'x' }, ours], undefined],
    ['that this EtcdCluster owns and does not control is somebody else’s', [owner], 'stranger'],
    ['is somebody else’s where that is said', [{ ...owner, controller: false }], 'stranger'],
    ['without an owner is somebody else’s', [], 'stranger'],
    ['of an earlier EtcdCluster of this name is about to go', [{ ...ours, uid: 'u0' }], 'predecessor'],
    ['of another EtcdCluster is somebody else’s', [{ ...ours, name: 'others', uid: 'u0' }], 'stranger'],
    ['of another kind with this name is somebody else’s', [{ ...ours, kind: 'Other', uid: 'u0' }], 'stranger'],
  ])('%s', (_sentence, ownerReferences, whose) => {
    expect(foreignness({ metadata: { name: 'orders', ownerReferences } }, cluster)).toBe(whose);
  });

  it('without a list of owners is somebody else’s', () => {
    expect(foreignness({ metadata: { name: 'orders' } }, cluster)).toBe('stranger');
  });
});

describe('a pod', () => {
  const marked = (genesis: string) => ({ annotations: { [ANNOTATIONS.genesis]: genesis } });
  it.each<[string, object, boolean]>([
    ['of this formation is not left over', { ...owned('StatefulSet', 'orders'), ...marked('own') }, false],
    ['of another formation is', { ...owned('StatefulSet', 'orders'), ...marked('other') }, true],
    ['of another formation that no StatefulSet controls any more is', marked('other'), true],
    ['of our StatefulSet that does not say which is', owned('StatefulSet', 'orders'), true],
    ['of nobody that does not say which is not', {}, false],
  ])('%s', (_sentence, metadata, left) => {
    expect(isLeftOver(cluster, { metadata: { name: 'orders-0', ...metadata } }, 'own')).toBe(left);
  });
});

describe('a pod with the labels of a member', () => {
  it.each<[string, Pod['metadata'], { member: boolean; ofSet: boolean }]>([
    [
      'of our StatefulSet',
      { name: 'orders-0', labels, ...owned('StatefulSet', 'orders') },
      { member: true, ofSet: true },
    ],
    ['that our StatefulSet is about to take over', { name: 'orders-0', labels }, { member: true, ofSet: false }],
    [
      'of another StatefulSet',
      { name: 'orders-0', labels, ...owned('StatefulSet', 'orders-x') },
      { member: false, ofSet: false },
    ],
    ['of a Job', { name: 'orders-0', labels, ...owned('Job', 'orders') }, { member: false, ofSet: false }],
    ['under a name of no member', { name: 'orders-debug', labels }, { member: false, ofSet: false }],
    ['of a cluster with a longer name', { name: 'orders-eu-0', labels }, { member: false, ofSet: false }],
    ['under the name of a member of another cluster', { name: 'elders-0', labels }, { member: false, ofSet: false }],
    [
      'of another cluster',
      { name: 'orders-0', labels: { ...labels, [LABELS.cluster]: 'other' } },
      { member: false, ofSet: false },
    ],
    [
      'but the component',
      { name: 'orders-0', labels: { ...labels, 'app.kubernetes.io/component': 'backup' } },
      { member: false, ofSet: false },
    ],
  ])('%s', (_sentence, metadata, want) => {
    const pod = { metadata };
    expect({ member: isMember(cluster, pod), ofSet: isOfSet(cluster, pod) }).toEqual(want);
  });
});

describe('a pod that nobody will delete any more', () => {
  const left = { name: 'orders-0', labels, annotations: { [ANNOTATIONS.genesis]: 'own' } };
  it.each<[string, Pod['metadata'], boolean]>([
    ['its StatefulSet left it behind', left, true],
    ['its StatefulSet has it', { ...left, ...owned('StatefulSet', 'orders') }, false],
    ['it was never of a StatefulSet of ours', { name: 'orders-0', labels }, false],
    ['it is of no member', { ...left, name: 'orders-debug' }, false],
  ])('%s', (_sentence, metadata, want) => {
    expect(isOrphan(cluster, { metadata })).toBe(want);
  });
});
