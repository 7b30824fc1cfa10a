// SPDX-License-Identifier: Apache-2.0
// Turns a zod schema into the structural OpenAPI schema that a CRD needs.
import { z } from 'zod';
import { type CelRule, celText } from './fields.ts';

/** A node of an OpenAPI v3 schema, as zod writes it and as the API server takes it. */
export interface SchemaNode {
  type?: string;
  format?: string;
  pattern?: string;
  description?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  propertyNames?: SchemaNode;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
  enum?: unknown[];
  default?: unknown;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  'x-kubernetes-validations'?: CelRule[];
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  /** Ours: the sentence to answer with where the pattern does not match. */
  'x-quorate-says'?: string;
}

/** zod's patterns for these formats use look-ahead, which the API server's regular expressions do not know. */
const FORMATS_WITHOUT_PATTERN = new Set(['date-time', 'duration', 'uri', 'email']);

/** Throws for what an OpenAPI schema cannot say (transformed input, recursion). Refinements need a CEL twin. */
export function structuralSchema(schema: z.ZodType): SchemaNode {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'throw',
    cycles: 'throw',
    reused: 'inline',
  }) as SchemaNode & { $schema?: string };
  // A copy: zod may put one object in two places.
  const node = structuredClone<SchemaNode>(json);
  mend(node);
  fillDefaults(node);
  return node;
}

const childrenOf = (node: SchemaNode): SchemaNode[] =>
  [...Object.values(node.properties ?? {}), node.items, node.additionalProperties].filter(
    (child): child is SchemaNode => typeof child === 'object',
  );

/** In place, with everything below. */
function mend(node: SchemaNode): void {
  if (node['x-kubernetes-int-or-string'] === true) mendIntOrString(node);
  else if (node['x-kubernetes-preserve-unknown-fields'] === true) mendOpaque(node);
  // Pruning is the API server's, and fields are reported by its strict validation.
  else if (node.properties !== undefined) delete node.additionalProperties;
  // A structural schema has no place for the form of a map's keys; that is a rule.
  delete node.propertyNames;
  mendEnum(node);
  if (node.type === 'integer') mendInteger(node);
  if (node.format !== undefined && FORMATS_WITHOUT_PATTERN.has(node.format)) delete node.pattern;
  patternToRule(node);
  childrenOf(node).forEach(mend);
}

/** The API server knows the two types by the extension alone. */
function mendIntOrString(node: SchemaNode): void {
  delete node.anyOf;
  delete node.type;
}

function mendOpaque(node: SchemaNode): void {
  node.type = 'object';
  delete node.properties;
  delete node.additionalProperties;
}

/** Literals come as an enum of a number, or as a union of such. */
function mendEnum(node: SchemaNode): void {
  if (node.anyOf?.every((branch) => branch.enum !== undefined) === true) {
    node.enum = node.anyOf.flatMap((branch) => branch.enum ?? []);
    delete node.anyOf;
  }
  if (node.enum?.every((value) => Number.isInteger(value)) === true) node.type = 'integer';
}

function mendInteger(node: SchemaNode): void {
  node.format ??= 'int64';
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
}

/** "should match '^[a-z]…'" helps nobody: the API server says our sentence instead. */
function patternToRule(node: SchemaNode): void {
  const { pattern, 'x-quorate-says': message } = node;
  delete node['x-quorate-says'];
  if (pattern === undefined || message === undefined) return;
  delete node.pattern;
  const value = node['x-kubernetes-int-or-string'] === true ? 'string(self)' : 'self';
  const rule: CelRule = { rule: `${value}.matches(${celText(pattern)})`, message, reason: 'FieldValueInvalid' };
  node['x-kubernetes-validations'] = [rule, ...(node['x-kubernetes-validations'] ?? [])];
}

/** The API server judges a default by the rules before it fills in the defaults inside, so a default has to be whole. */
function fillDefaults(node: SchemaNode): void {
  const children = Object.entries(node.properties ?? {});
  childrenOf(node).forEach(fillDefaults);
  if (typeof node.default !== 'object' || node.default === null || children.length === 0) return;
  const inner = children.flatMap(([name, child]) => (child.default === undefined ? [] : [[name, child.default]]));
  node.default = { ...Object.fromEntries(inner), ...node.default };
}
