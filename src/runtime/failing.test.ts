// SPDX-License-Identifier: Apache-2.0
// Which failures of a pass are told, by how long it has failed and not by how often.
import { expect, it } from 'vitest';
import { KubeError } from './errors.ts';
import { isLasting, isRefused } from './failing.ts';

const broken = new KubeError('Unavailable', 'x', { status: 500 });
const conflict = new KubeError('Conflict', 'x');

it.each([
  ['the first failure is not told', broken, undefined, false],
  ['several within seconds are not', broken, 2_000, false],
  ['an API server that restarts is not', broken, 14_999, false],
  ['what goes on for a quarter of a minute is', broken, 15_000, true],
  ['a mistake of ours that goes on is', new TypeError('x'), 15_000, true],
  ['conflicts are ordinary', conflict, 15_000, false],
  ['a name that is taken for a moment is ordinary', new KubeError('AlreadyExists', 'x'), 59_999, false],
  ['conflicts without an end are not', conflict, 60_000, true],
])('%s', (_sentence, error, failingMs, expected) => {
  expect(isLasting(error, failingMs)).toBe(expected);
});

it.each([
  ['a right that is missing', 'Forbidden', true],
  ['a wrong field', 'Invalid', true],
  ['somebody who was faster', 'Conflict', false],
  ['an API server that is away', 'Unavailable', false],
] as const)('%s (%s) is told at once as a refusal: %j', (_sentence, code, refused) => {
  expect(isRefused(new KubeError(code, 'x'))).toBe(refused);
});
