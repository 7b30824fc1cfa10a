// SPDX-License-Identifier: Apache-2.0
// What a formed cluster goes on with while its spec cannot be meant.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { edits, formationOf } from './formation.ts';
import { standingSpec } from './standing.ts';

const cluster = (spec: object): EtcdCluster => ({
  metadata: { name: 'orders', namespace: 'shop' },
  spec: { version: '3.6.16', storage: { size: '1Gi' }, ...spec },
});

const formed = effectiveSpec(cluster({}));
if (!formed.ok) throw new Error(formed.message);
const formation = formationOf(formed.spec);

describe('a spec that cannot be meant', () => {
  it.each([
    ['a version that is refused today', { version: '3.5.2' }],
    ['an endless affinity', { pods: { affinity: { nodeAffinity: { x: 'y'.repeat(40_000) } } } }],
    ['an odd number of members', { replicas: 2 }],
    ['a quota that does not fit', { etcd: { quota: '5Gi' } }],
  ])('%s leaves the formation as it was recorded, and takes the rest', (_sentence, wrong) => {
    const rest = { tls: { clientCertificates: [{ name: 'app' }] }, service: { type: 'NodePort' }, paused: true };
    const asked = cluster({ ...rest, ...wrong });
    expect(effectiveSpec(asked).ok).toBe(false);
    const spec = standingSpec(asked, formation);
    expect(spec).toMatchObject(rest);
    expect(spec && formationOf(spec)).toEqual(formation);
    expect(spec && edits(spec, formation), 'no edit is made of it').toEqual([]);
  });

  it.each([
    ['clients', { tls: { clientCertificates: 'all' } }],
    ['a Service', { service: { type: 'Somehow' } }],
  ])('%s that cannot be meant leave nothing to go on with', (_sentence, wrong) => {
    expect(standingSpec(cluster(wrong), formation)).toBeUndefined();
  });
});
