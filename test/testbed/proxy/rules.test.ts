// SPDX-License-Identifier: Apache-2.0
// Which requests and events a rule means, and when it strikes, as tables.
import { describe, expect, test } from 'vitest';
import { parseRequest } from './request.ts';
import {
  type EventMatch,
  glob,
  type Match,
  matchesEvent,
  matchesRequest,
  type Rule,
  type RuleSpec,
  strike,
} from './rules.ts';

test.each([
  ['a star stands for any text', 'orders-*', 'orders-client', true],
  ['a question mark stands for one character', 'orders-?', 'orders-10', false],
  ['the whole text must match', 'orders', 'orders-0', false],
  ['a dot is only a dot', 'a.b', 'axb', false],
  ['at least one character', '?*', '', false],
])('%s', (_title, pattern, text, want) => {
  expect(glob(pattern, text)).toBe(want);
});

const patch = parseRequest('PATCH', '/apis/apps/v1/namespaces/shop/statefulsets/orders/status?fieldManager=quorate');
test.each<[string, Match, boolean]>([
  ['an empty match means every request', {}, true],
  ['the verb must be the one', { verb: 'create' }, false],
  ['or one of the list', { verb: ['create', 'patch'] }, true],
  ['an empty subresource means none', { resource: 'statefulsets', subresource: '' }, false],
  ['a glob for the name', { name: 'ord*', namespace: 'shop', group: 'apps' }, true],
  ['the caller is told by address', { client: '198.18.64.*' }, true],
  ['another caller is not meant', { client: '198.18.65.*' }, false],
  ['a query parameter', { query: { fieldManager: 'quorate' } }, true],
  ['an absent query parameter', { query: { resourceVersion: '' } }, true],
])('%s', (_title, match, want) => {
  expect(matchesRequest(match, patch, '198.18.64.7')).toBe(want);
});

const event = { type: 'DELETED', object: { metadata: { name: 'orders-0', namespace: 'shop', uid: 'u1' } } } as const;
test.each<[string, EventMatch, boolean]>([
  ['an empty match means every event', {}, true],
  ['the type must be the one', { type: 'ADDED' }, false],
  ['or one of the list', { type: ['ADDED', 'DELETED'], name: 'orders-?' }, true],
  ['an object is told by its UID', { uid: 'u2' }, false],
  ['or by what it holds', { text: '"uid":"u1"' }, true],
  ['and by nothing that it does not hold', { text: 'spec' }, false],
])('event: %s', (_title, match, want) => {
  expect(matchesEvent(match, event)).toBe(want);
});

describe('strike', () => {
  test.each<[string, Partial<RuleSpec>, string]>([
    ['strikes always by default', {}, 'xxxxxx'],
    ['lets the first pass', { skip: 2 }, '..xxxx'],
    ['strikes each third', { every: 3 }, '..x..x'],
    ['stops after its times', { times: 2 }, 'xx....'],
    ['the third alone', { skip: 2, times: 1 }, '..x...'],
    ['each second after the first, twice', { skip: 1, every: 2, times: 2 }, '..x.x.'],
  ])('%s', (_title, spec, want) => {
    const rule: Rule = {
      id: '1',
      seen: 0,
      hits: 0,
      spec: { listener: 'a', match: {}, fault: { kind: 'reset' }, ...spec },
    };
    expect(Array.from(want, () => (strike(rule) ? 'x' : '.')).join('')).toBe(want);
  });

  test('strikes each object once if asked to', () => {
    const spec: RuleSpec = { listener: 'a', match: {}, fault: { kind: 'reset' }, oncePerObject: true };
    const rule: Rule = { id: '1', seen: 0, hits: 0, spec };
    expect(['a', 'b', 'a', 'b', 'c'].map((key) => strike(rule, key))).toEqual([true, true, false, false, true]);
  });
});
