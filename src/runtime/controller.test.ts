// SPDX-License-Identifier: Apache-2.0
// What becomes a key, and what is said of a run that fails.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Metrics } from '../telemetry/metrics.ts';
import { Controller, type Key, source, statusOnly } from './controller.ts';
import type { KubeObject } from './json.ts';
import { ObjectStore } from './store.ts';

const of = (metadata: object, rest: object = {}): KubeObject => ({
  metadata: { name: 'orders', uid: 'u', generation: 3, labels: { a: 'b' }, ...metadata },
  ...rest,
});

const before = of({ resourceVersion: '7' }, { status: { replicas: 2 } });

it.each([
  ['a status', before, of({ resourceVersion: '8' }, { status: { replicas: 3 } }), true],
  ['a spec', before, of({ resourceVersion: '8', generation: 4 }), false],
  ['a label', before, of({ resourceVersion: '8', labels: {} }), false],
  ['a deletion that has begun', before, of({ resourceVersion: '8', deletionTimestamp: 'now' }), false],
  ['another object of the name', before, of({ resourceVersion: '8', uid: 'v' }), false],
  ['its appearance', undefined, before, false],
  ['its end', before, undefined, false],
  ['anything of a kind without generations', of({ generation: undefined }), of({ generation: undefined }), false],
])('%s changed: of its status alone? %#', (_what, was, is, expected) => {
  expect(statusOnly({ before: was, after: is })).toBe(expected);
});

it('an object that has no key does not hide the others', () => {
  const store = new ObjectStore<KubeObject>(() => undefined);
  for (const name of ['a', 'broken', 'c']) store.upsert({ metadata: { namespace: 'shop', name } });
  const failures: unknown[] = [];
  const keys = source(store, ({ metadata: { name } }) => {
    if (name === 'broken') throw new Error('x');
    return [{ namespace: 'shop', name }];
  }).keys((e) => failures.push(e));
  expect(keys.map(({ name }) => name)).toEqual(['a', 'c']);
  expect(failures).toHaveLength(1);
});

/** A controller of the objects of two namespaces, and what it has looked at. */
function looking(o: { known?: string[]; refused?: string; keys?: string[] } = {}) {
  const store = new ObjectStore<KubeObject>(() => undefined);
  for (const key of o.keys ?? ['shop/orders', 'farm/orders']) {
    const [namespace, name] = key.split('/') as [string, string];
    store.upsert({ metadata: { namespace, name } });
  }
  const known = new Set(o.known ?? ['shop', 'farm']);
  const seen: string[] = [];
  const end = new AbortController();
  const look =
    (how: string) =>
    ({ namespace, name }: Key): Promise<undefined> =>
      Promise.resolve(void seen.push(`${how} ${namespace}/${name}`));
  const controller = new Controller(
    {
      name: 'cluster',
      sources: [source(store, ({ metadata }) => [{ namespace: metadata.namespace as string, name: metadata.name }])],
      reconcile: look('reconciles'),
      blind: look('is blind for'),
    },
    {
      log: pino({ enabled: false }),
      metrics: new Metrics(),
      signal: end.signal,
      known: (namespace) => known.has(namespace),
      refused: (namespace) => (known.has(namespace) ? undefined : o.refused),
    },
  );
  return { controller, store, seen, known, end };
}
const turn = () => new Promise(setImmediate);

it('nothing is looked at before the start, and all that is there then', async () => {
  const { controller, store, seen } = looking({ keys: [] });
  store.upsert({ metadata: { namespace: 'shop', name: 'orders' } });
  await turn();
  expect(seen).toEqual([]);
  controller.start();
  await turn();
  expect(seen).toEqual(['reconciles shop/orders']);
  await controller.stop();
  controller.enqueue({ namespace: 'shop', name: 'orders' });
  await turn();
  expect(seen, 'nor after the end').toHaveLength(1);
});

it('a namespace that is not known yet is left alone until it is', async () => {
  const { controller, seen, known } = looking({ known: ['shop'] });
  controller.start();
  await turn();
  expect(seen).toEqual(['reconciles shop/orders']);
  known.add('farm');
  controller.enqueueAll('farm');
  await turn();
  expect(seen).toEqual(['reconciles shop/orders', 'reconciles farm/orders']);
  await controller.stop();
});

it('of a namespace that may not be seen nothing is said but that', async () => {
  const { controller, seen } = looking({ known: ['shop'], refused: 'forbidden' });
  controller.start();
  await turn();
  expect(seen.toSorted()).toEqual(['is blind for farm/orders', 'reconciles shop/orders']);
  await controller.stop();
});

it('nothing is begun when the process has to end', async () => {
  const { controller, seen, end } = looking();
  end.abort(new Error('the lease is lost'));
  controller.start();
  await turn();
  expect(seen).toEqual([]);
  await controller.stop();
});

it('the log says at which step a run failed', async () => {
  const lines = new PassThrough();
  const store = new ObjectStore<KubeObject>(() => undefined);
  store.upsert({ metadata: { namespace: 'shop', name: 'orders' } });
  const controller = new Controller(
    {
      name: 'cluster',
      sources: [source(store, ({ metadata: { name } }) => [{ namespace: 'shop', name }])],
      reconcile: (_key, ctx) => {
        ctx.step = 'PutChildren';
        return Promise.reject(new Error('x'));
      },
    },
    {
      log: pino(lines),
      metrics: new Metrics(),
      signal: new AbortController().signal,
      known: () => true,
      refused: () => undefined,
    },
  );
  controller.start();
  const [line] = (await once(lines, 'data')) as [Buffer];
  await controller.stop();
  expect(JSON.parse(line.toString())).toMatchObject({
    msg: 'reconcile failed',
    step: 'PutChildren',
    attempt: 1,
    name: 'orders',
  });
});
