// SPDX-License-Identifier: Apache-2.0
// Which pods are members: a label alone makes none.
import { describe, expect, it } from 'vitest';
import { LABELS } from '../api/names.ts';
import type { Pod } from '../runtime/resources.ts';
import { cluster } from './fixtures.ts';
import { isMember, isOfSet } from './foreign.ts';

const labels = { [LABELS.cluster]: 'orders', 'app.kubernetes.io/component': 'member' };
const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'x', controller: true }],
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
    [
      'of another cluster',
      { name: 'orders-0', labels: { ...labels, [LABELS.cluster]: 'other' } },
      { member: false, ofSet: false },
    ],
  ])('%s', (_sentence, metadata, want) => {
    const pod = { metadata };
    expect({ member: isMember(cluster, pod), ofSet: isOfSet(cluster, pod) }).toEqual(want);
  });
});
