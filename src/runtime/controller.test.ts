// SPDX-License-Identifier: Apache-2.0
// Table of the changes that nobody has to look at.
import { expect, it } from 'vitest';
import { statusOnly } from './controller.ts';
import type { KubeObject } from './json.ts';

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
