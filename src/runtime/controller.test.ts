// SPDX-License-Identifier: Apache-2.0
// What becomes a key, and what is said of a run that fails.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Metrics } from '../telemetry/metrics.ts';
import { Controller, source, statusOnly } from './controller.ts';
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
