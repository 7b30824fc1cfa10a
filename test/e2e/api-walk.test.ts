// SPDX-License-Identifier: Apache-2.0
// Every field of the custom resources with every kind of bad value: refused by name or taken and meant, never an accident.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { effectiveSpec } from '../../src/api/effective.ts';
import type { SchemaNode } from '../../src/api/structural.ts';
import { backup, everything } from './api/samples.ts';
import { type Answer, definitionOf, Served } from './api/served.ts';
import { type Mutation, mutations } from './api/walk.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
});
afterAll(() => served.stop());

const specOf = (plural: string): SchemaNode => {
  const spec = definitionOf(plural).spec.versions[0]?.schema.openAPIV3Schema.properties.spec;
  if (spec === undefined) throw new Error(`${plural} has no spec`);
  return spec;
};

/** Refusals that say the field, and nothing that looks like a fault of the server. */
function complaint({ path, field, value }: Mutation, { status, message }: Answer): string | undefined {
  const shown = `${path} = ${JSON.stringify(value)?.slice(0, 60)}: ${status} ${message.slice(0, 300)}`;
  if (status === 201) return undefined;
  if (![400, 422].includes(status)) return shown;
  return message.includes(field) ? undefined : `does not name the field: ${shown}`;
}

/** What leaves a path, a line or a word, or could be read as an option: no field has a use for it. */
const hostile = ({ value }: Mutation): boolean => typeof value === 'string' && /\p{Cc}|\.\.\/|\$\(|%2e|^-/u.test(value);

/** A few at a time: the API server is everybody's. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let item = rest.pop(); item !== undefined; item = rest.pop()) await work(item);
    }),
  );
}

describe('every field of the schema', () => {
  test.each<[string, object, number]>([
    ['etcdclusters', everything, 1000],
    ['etcdbackups', backup, 30],
  ])('of %s is refused by its name, or taken and meant', async (plural, sample, atLeast) => {
    const all = mutations(specOf(plural), sample);
    expect(all.length).toBeGreaterThan(atLeast);
    const complaints: string[] = [];
    const taken: Mutation[] = [];
    await inTurns(all, async (mutation) => {
      const answer = await served.judge(plural, 'orders', mutation.spec);
      const wrong = complaint(mutation, answer);
      if (wrong !== undefined) complaints.push(wrong);
      if (answer.status !== 201) return;
      taken.push(mutation);
      if (plural !== 'etcdclusters') return;
      const object = { ...answer.object, metadata: { name: 'orders', namespace: 'shop' } } as EtcdCluster;
      const effective = effectiveSpec(object);
      if (!effective.ok) {
        complaints.push(
          `taken, but refused later: ${mutation.path} = ${JSON.stringify(mutation.value)?.slice(0, 60)}: ${effective.message}`,
        );
      }
    });
    expect(complaints.toSorted()).toEqual([]);
    expect(taken.filter(hostile).map((m) => m.path)).toEqual([]);
  });
});

describe('a bomb', () => {
  const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
  const withPods = (p: object) => ({ version: '3.6.16', storage: { size: '10Gi' }, pods: p });
  // The schema does not look into Kubernetes' own structures: what is in them is for the operator to refuse, at once.
  test.each<[string, object, number, string]>([
    ['a thousand levels deep', withPods({ affinity: { nodeAffinity: nested(1000) } }), 201, 'spec.pods.affinity'],
    [
      'of fifty thousand items',
      withPods({ tolerations: Array.from({ length: 50_000 }, () => ({ operator: 'Exists' })) }),
      422,
      'spec.pods.tolerations',
    ],
    [
      'of twenty thousand labels',
      withPods({ labels: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 'v'])) }),
      422,
      'spec.pods.labels',
    ],
    ['of a megabyte in one word', withPods({ priorityClassName: 'a'.repeat(1_000_000) }), 422, 'priorityClassName'],
    ['of four megabytes', withPods({ affinity: { nodeAffinity: { a: 'a'.repeat(4_000_000) } } }), 413, 'too large'],
  ])('%s is refused by name within the deadline of a request', async (_, spec, status, named) => {
    const answer = await served.judge('etcdclusters', 'orders', spec);
    expect(answer.status, answer.message.slice(0, 300)).toBe(status);
    if (status !== 201) expect(answer.message).toContain(named);
    else
      expect(effectiveSpec({ metadata: { name: 'orders' }, spec } as EtcdCluster)).toMatchObject({
        ok: false,
        field: named,
      });
  });
});
