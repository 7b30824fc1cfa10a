// SPDX-License-Identifier: Apache-2.0
// The crash sweep: an operator killed before and after the writes of a bootstrap ends where an unharmed one ends.
import { describe, expect, test } from 'vitest';
import { etcdClusters } from '../../src/api/resources.ts';
import { describeRequest } from '../testbed/proxy/client.ts';
import type { RequestRecord } from '../testbed/proxy/protocol.ts';
import { cluster, waitAvailable } from './harness/cluster.ts';
import { inventory } from './harness/inventory.ts';
import { useOperator } from './harness/suite.ts';

const suite = useOperator({ namespaces: 1, proxy: true });
/** `make campaign` kills at every write; `make test` at some, spread over the bootstrap. */
const whole = process.env.QUORATE_CAMPAIGN === '1';
const somePoints = 4;
/** Of a point that is never reached. */
const WHOLE = 'not at all';
/** Clusters that wait for their kill together. */
const batch = 4;

const letters = (index: number) => String.fromCharCode(97 + Math.floor(index / 26), 97 + (index % 26));
/** What a bootstrap leaves behind; how often status is written and which Events are sent depends on the machine's pace. */
const durable = [
  'configmaps',
  'etcdclusters',
  'networkpolicies',
  'persistentvolumeclaims',
  'poddisruptionbudgets',
  'secrets',
  'services',
  'statefulsets',
];

/** All objects of a cluster carry its name somewhere in theirs. */
const matchOf = (name: string) =>
  ({
    verb: ['create', 'update', 'patch', 'delete'],
    namespace: suite.namespaces[0] ?? '',
    resource: durable,
    subresource: '',
    name: `*${name}*`,
  }) as const;

async function writesOf(name: string): Promise<RequestRecord[]> {
  return suite.proxy.writes(matchOf(name));
}

/** Starts one cluster per point, each stopped at that write; kills the operator; lets it start again and finish. */
async function killAt(points: number[], at: 'request' | 'reply', prefix: string): Promise<string[]> {
  const names = points.map((point) => `${prefix}${letters(point)}`);
  const rules = await Promise.all(
    points.map((point, index) =>
      suite.proxy.rule(matchOf(names[index] ?? ''), { kind: 'hold', at }, { skip: point, times: 1 }),
    ),
  );
  const objects = names.map((name) => cluster(suite.namespaces[0] ?? '', name, { replicas: 3 }));
  await Promise.all(objects.map((object) => suite.kube.create(etcdClusters, object)));
  // A seal in one go has two writes fewer than one in two: a cluster may be whole before its point.
  const held = await Promise.all(
    rules.map((rule, index) => {
      const stopped = rule.held(90_000);
      stopped.catch(() => undefined);
      const namespace = suite.namespaces[0] ?? '';
      return Promise.race([
        stopped.then(({ request }) => describeRequest(request)),
        waitAvailable(suite.kube, namespace, names[index] ?? '', 95_000).then(() => WHOLE),
      ]);
    }),
  );
  await suite.operator.crash();
  await Promise.all(rules.map((rule) => rule.remove()));
  for (const name of names) await waitAvailable(suite.kube, suite.namespaces[0] ?? '', name, 120_000);
  return held;
}

describe('crash sweep', () => {
  test.each(['request', 'reply'] as const)(
    `19. a bootstrap whose operator dies at ${whole ? 'every' : 'some'} write (held at its %s) ends as one that was left alone`,
    async (at) => {
      const namespace = suite.namespaces[0] ?? '';
      // Three members: their files are sealed in two goes, and a budget comes between.
      const reference = cluster(namespace, `whole-${at}`, { replicas: 3 });
      await suite.available(reference);
      const writes = (await writesOf(reference.metadata.name)).length;
      expect(writes).toBeGreaterThan(20);
      const want = await inventory(suite.kube, reference);
      await suite.dismiss(reference);
      const step = whole ? 1 : Math.max(1, Math.floor(writes / somePoints));
      const points = Array.from({ length: writes }, (_, index) => index).filter((index) => index % step === 0);
      for (let from = 0; from < points.length; from += batch) {
        const some = points.slice(from, from + batch);
        const prefix = at === 'request' ? 'before-' : 'after-';
        const killed = await killAt(some, at, prefix);
        const missed = some.filter((_, index) => killed[index] === WHOLE);
        expect(
          missed.filter((point) => point < writes - 2),
          'points that are never reached',
        ).toEqual([]);
        for (const [index, point] of some.entries()) {
          const object = cluster(namespace, `${prefix}${letters(point)}`, { replicas: 3 });
          const title = `killed at write ${point}, ${killed[index]}`;
          expect({ title, objects: await inventory(suite.kube, object) }).toEqual({ title, objects: want });
          const made = (await writesOf(object.metadata.name)).filter(
            ({ verb, serverStatus }) => verb === 'create' && serverStatus === 201,
          );
          expect(made.length, title).toBeGreaterThan(10);
          expect(new Set(made.map(({ path, name }) => `${path}/${name}`)).size, `${title}: created once`).toBe(
            made.length,
          );
          await suite.dismiss(object);
        }
      }
    },
    whole ? 3_600_000 : 400_000,
  );
});
