// SPDX-License-Identifier: Apache-2.0
// Annotations that a user asks for: taken off when they are asked for no more, and those of others left alone.
import { describe, expect, it } from 'vitest';
import type { EffectiveCluster } from '../../api/cluster.ts';
import { drift, repair } from '../drift.ts';
import { cluster, identity, spec } from '../fixtures.ts';
import { type Child, withoutDropped } from './children.ts';
import { renderServices } from './services.ts';

/** The client Service with these annotations. */
function asked(annotations: Record<string, string>): Child {
  const wanted = { ...spec, service: { ...spec.service, annotations } } as EffectiveCluster;
  const found = renderServices(cluster, wanted, identity).find((c) => c.desired.metadata.name === 'orders-client');
  if (found === undefined) throw new Error('a cluster has a client Service');
  return found;
}

/** What is to be patched where `before` was asked for, and a cloud has added something. */
function patch(before: Record<string, string>, now: Record<string, string>): unknown {
  const { desired } = asked(before);
  const annotations = { ...desired.metadata.annotations, 'cloud.example.com/id': '7' };
  const live = { ...desired, metadata: { ...desired.metadata, annotations } };
  const { desired: wanted, closed } = withoutDropped(asked(now), live);
  return drift(wanted, live, closed) === undefined ? undefined : repair(wanted, live, closed);
}

const LIST = 'etcd.quorate.dev/annotations';

describe('the annotations of the client Service', () => {
  it.each<[string, Record<string, string>, Record<string, string>, object | undefined]>([
    ['that are asked for as before need nothing', { a: '1', b: '2' }, { b: '2', a: '1' }, undefined],
    ['that nobody asks for leave those of others alone', {}, {}, undefined],
    ['that are new are put on', {}, { a: '1' }, { a: '1', [LIST]: 'a' }],
    ['that are changed are put on anew', { a: '1' }, { a: '2' }, { a: '2' }],
    ['that are asked for no more are taken off', { a: '1', b: '2' }, { b: '2' }, { a: null, [LIST]: 'b' }],
    ['the last of them is taken off with the list of them', { a: '1' }, {}, { a: null, [LIST]: null }],
  ])('%s', (_sentence, before, now, annotations) => {
    expect(patch(before, now)).toEqual(annotations && { metadata: { annotations } });
  });

  it('are none where none are asked for, and what is not there yet is made as it is wanted', () => {
    expect(asked({}).desired.metadata).not.toHaveProperty('annotations');
    expect(withoutDropped(asked({ a: '1' }), undefined)).toEqual(asked({ a: '1' }));
  });
});
