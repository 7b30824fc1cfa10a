// SPDX-License-Identifier: Apache-2.0
// Walks a schema and makes of each of its fields the values that break things: of the wrong type, too small, too long, hostile.
import type { SchemaNode } from '../../../src/api/structural.ts';

export interface Mutation {
  /** As the API server writes it: `spec.tls.clientCertificates[0].name`. */
  readonly path: string;
  /** The last name in the path. */
  readonly field: string;
  readonly value: unknown;
  readonly spec: unknown;
}

const HOSTILE = [
  '',
  ' ',
  '../x',
  'a/../../b',
  'a\nb',
  'a\u0000b',
  '-1',
  '--data-dir=/',
  '$(HOME)',
  '%2e%2e',
  'ä€\u{1f600}',
  '\u001b[31m',
];

function textsFor(node: SchemaNode): unknown[] {
  const long = node.maxLength === undefined ? [] : ['a'.repeat(node.maxLength + 1)];
  return [...HOSTILE, 'a'.repeat(64), 'a'.repeat(254), ...long, 'a'.repeat(100_000), 5, true, [], {}, null];
}

function numbersFor(node: SchemaNode): unknown[] {
  const { minimum = 0, maximum = 0 } = node;
  return [minimum - 1, maximum + 1, maximum * 2, -1, 0, 2, 2 ** 31, 2 ** 63, 1e300, 1.5, '5', '', true, [], {}, null];
}

const AMOUNTS = [
  -1,
  0,
  2 ** 53,
  2 ** 63,
  1.5,
  true,
  [],
  {},
  null,
  ...HOSTILE,
  'lots',
  '1e9Ti',
  '1Gi\n',
  '9'.repeat(30),
  'a'.repeat(100_000),
];
const OBJECTS = ['x', 5, true, [], [{}], null];

function mapsFor(node: SchemaNode): unknown[] {
  const many = Object.fromEntries(Array.from({ length: (node.maxProperties ?? 0) + 1 }, (_, i) => [`k${i}`, 'v']));
  const keys = [
    '',
    ' ',
    '../x',
    'a b',
    'a\nb',
    '/a',
    'a/',
    'a/b/c',
    '-a',
    'a'.repeat(64),
    'a'.repeat(400),
    'etcd.quorate.dev/cluster',
  ];
  const bad = keys.map((key) => ({ [key]: 'v' }));
  const prototype: unknown = JSON.parse('{"__proto__":"v","constructor":"v"}');
  return [
    ...bad,
    ...['a b ', 'a'.repeat(5000)].map((v) => ({ k: v })),
    { k: 5 },
    { k: null },
    many,
    prototype,
    ...OBJECTS,
  ];
}

function listsFor(node: SchemaNode, sample: unknown): unknown[] {
  const one: unknown = Array.isArray(sample) ? sample[0] : undefined;
  const many = Array.from({ length: (node.maxItems ?? 0) + 1 }, () => one);
  return [many, [one, one], [null], [5], ['x'], [[]], [{}], 'x', 5, {}, true, null];
}

function valuesFor(node: SchemaNode, sample: unknown): unknown[] {
  if (node['x-kubernetes-int-or-string'] === true) return AMOUNTS;
  if (node.type === 'string') return node.enum === undefined ? textsFor(node) : [...textsFor(node), 'Other'];
  if (node.type === 'integer') return numbersFor(node);
  if (node.type === 'boolean') return ['true', '', 0, 1, [], {}, null];
  if (node.type === 'array') return listsFor(node, sample);
  if (node.properties === undefined) return mapsFor(node);
  return OBJECTS;
}

type Container = Record<string | number, unknown>;

function replaced(root: unknown, keys: readonly (string | number)[], value: unknown): unknown {
  const [first, ...rest] = keys;
  if (first === undefined) return value;
  const copy = (Array.isArray(root) ? [...root] : { ...(root as object) }) as Container;
  copy[first] = replaced(copy[first], rest, value);
  return copy;
}

interface Place {
  readonly at: unknown;
  readonly keys: readonly (string | number)[];
}

/** Every field of the schema, wherever it is; throws for a field that the sample leaves out. Of a list, some item has to have it. */
export function mutations(root: SchemaNode, sample: unknown): Mutation[] {
  const found: Mutation[] = [];
  const visit = (node: SchemaNode, places: readonly Place[]): void => {
    const { at, keys } = places.find((place) => place.at !== undefined) ?? {
      at: undefined,
      keys: places[0]?.keys ?? [],
    };
    const path = keys.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : `.${key}`), 'spec');
    if (at === undefined) throw new Error(`the sample has no ${path}`);
    const field = keys.findLast((key) => typeof key === 'string') ?? 'spec';
    for (const value of valuesFor(node, at)) found.push({ path, field, value, spec: replaced(sample, keys, value) });
    const below = (place: Place, key: string | number): Place => ({
      at: (place.at as Container | undefined)?.[key],
      keys: [...place.keys, key],
    });
    for (const [name, child] of Object.entries(node.properties ?? {}))
      visit(
        child,
        places.map((place) => below(place, name)),
      );
    if (node.items !== undefined)
      visit(
        node.items,
        places.flatMap((place) => (Array.isArray(place.at) ? place.at.map((_, i) => below(place, i)) : [])),
      );
  };
  visit(root, [{ at: sample, keys: [] }]);
  return found;
}
