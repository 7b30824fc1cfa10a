// SPDX-License-Identifier: Apache-2.0
// Tests of the way from zod to a structural schema, construct by construct.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { labels, quantity, reference, rules } from './fields.ts';
import { structuralSchema } from './structural.ts';

describe('a structural schema', () => {
  it.each([
    ['a whole number has a format and no bounds of a double', z.int(), { type: 'integer', format: 'int64' }],
    ['real bounds stay', z.int().min(0).max(9), { type: 'integer', format: 'int64', minimum: 0, maximum: 9 }],
    ['literals are an enum of integers', z.literal([1, 3]), { type: 'integer', format: 'int64', enum: [1, 3] }],
    [
      'a union of literals is one enum',
      z.union([z.literal(1), z.literal(3)]),
      { type: 'integer', format: 'int64', enum: [1, 3] },
    ],
    ['an enum of words', z.enum(['A', 'B']), { type: 'string', enum: ['A', 'B'] }],
    [
      'a time keeps its format and loses the pattern that looks ahead',
      z.iso.datetime(),
      { type: 'string', format: 'date-time' },
    ],
    [
      'a pattern without a sentence stays a pattern',
      z.string().max(3).regex(/^a$/),
      { type: 'string', maxLength: 3, pattern: '^a$' },
    ],
    [
      'a loose object keeps unknown fields',
      z.looseObject({}).meta({ 'x-kubernetes-preserve-unknown-fields': true }),
      { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    ],
    [
      'a number or text is known by its extension alone',
      z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true }).transform(String),
      { 'x-kubernetes-int-or-string': true },
    ],
    [
      'an object has its fields, of which those with a default are not required',
      z.object({ a: z.string().max(1), b: z.boolean().default(true), c: z.boolean().optional() }),
      {
        type: 'object',
        properties: {
          a: { type: 'string', maxLength: 1 },
          b: { type: 'boolean', default: true },
          c: { type: 'boolean' },
        },
        required: ['a'],
      },
    ],
    [
      'a map has values and no form of its keys',
      z.record(z.string().max(3), z.string().max(5)),
      { type: 'object', additionalProperties: { type: 'string', maxLength: 5 } },
    ],
  ])('%s', (_, schema, expected) => {
    expect(structuralSchema(schema)).toEqual(expected);
  });

  it('says in words what a pattern means', () => {
    expect(structuralSchema(quantity())['x-kubernetes-validations']).toEqual([
      {
        rule: "self.matches('^[0-9]{1,15}(\\\\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$')",
        message: 'must be a quantity of bytes such as 512Mi, 10Gi or 1.5Gi',
        reason: 'FieldValueInvalid',
      },
    ]);
    expect(structuralSchema(quantity()).pattern).toBeUndefined();
  });
  it('keeps the rules of a field beside its form', () => {
    const node = structuralSchema(quantity().meta(rules({ rule: 'true', message: 'm' })));
    expect(node['x-kubernetes-validations']?.map((r) => r.message)).toEqual([expect.stringContaining('quantity'), 'm']);
  });
  it('makes a default whole, because the API server judges it before it fills in what is inside', () => {
    const inner = z.object({ x: z.int().default(1), y: z.int().default(2) }).prefault({ y: 5 });
    const node = structuralSchema(z.object({ inner }).prefault({}));
    expect(node.default).toEqual({ inner: { x: 1, y: 5 } });
    expect(node.properties?.inner?.default).toEqual({ x: 1, y: 5 });
  });
  it('shares nothing between two places', () => {
    const shared = reference();
    const node = structuralSchema(z.object({ a: shared, b: shared.optional() }));
    expect(node.properties?.a?.properties?.name).toEqual(node.properties?.b?.properties?.name);
    expect(node.properties?.a?.properties?.name).not.toBe(node.properties?.b?.properties?.name);
  });
  it('bounds the keys of labels by number and by rule', () => {
    const node = structuralSchema(labels());
    expect(node.maxProperties).toBe(64);
    expect(node['x-kubernetes-validations']?.[0]?.rule).toContain('k.size() <= 317');
  });
  it.each([
    ['a date', z.date()],
    ['a big integer', z.bigint()],
  ])('refuses what it cannot say: %s', (_, schema) => {
    expect(() => structuralSchema(schema)).toThrow(/cannot be represented/);
  });
});
