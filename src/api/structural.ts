// SPDX-License-Identifier: Apache-2.0
// Turns a zod schema into the structural OpenAPI schema that a CRD needs.
import { z } from 'zod';

/** A node of an OpenAPI v3 schema. */
export interface SchemaNode {
  type?: string;
  format?: string;
  pattern?: string;
  description?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
  anyOf?: SchemaNode[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  [extension: `x-kubernetes-${string}`]: unknown;
}

/** Bounds that keep the cost of CEL rules and the size of objects in check where a schema names none. */
const MAX_PROPERTIES = 64;
const MAX_STATUS_TEXT = 32_768;

/** Patterns that zod adds for formats use look-ahead, which the API server's regular expressions do not know. */
const FORMATS_WITHOUT_PATTERN = new Set(['date-time', 'duration', 'uri', 'email']);

export function structuralSchema(schema: z.ZodType): SchemaNode {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'throw',
    cycles: 'throw',
    reused: 'inline',
    override: ({ jsonSchema }) => mend(jsonSchema as SchemaNode),
  }) as SchemaNode & { $schema?: string };
  delete json.$schema;
  fillDefaults(json);
  return json;
}

/** The API server judges a default by the rules before it fills in the defaults inside, so a default has to be whole. */
function fillDefaults(node: SchemaNode): void {
  const children = Object.entries(node.properties ?? {});
  for (const [, child] of children) fillDefaults(child);
  if (node.items !== undefined) fillDefaults(node.items);
  if (typeof node.default !== 'object' || node.default === null || children.length === 0) return;
  const inner = children.flatMap(([name, child]) => (child.default === undefined ? [] : [[name, child.default] as const]));
  node.default = { ...Object.fromEntries(inner), ...node.default };
}

/** In place, one node at a time, children first. */
export function mend(node: SchemaNode): void {
  if (node['x-kubernetes-preserve-unknown-fields'] === true) {
    node.type = 'object';
    delete node.properties;
    delete node.additionalProperties;
    return;
  }
  mergeLiterals(node);
  if (node.properties !== undefined) delete node.additionalProperties;
  if (node.type === 'object' && node.properties === undefined) node.maxProperties ??= MAX_PROPERTIES;
  // A map's key pattern has no place in a structural schema; the values' schema stays.
  delete (node as { propertyNames?: unknown }).propertyNames;
  if (node.type === 'integer') mendInteger(node);
  if (node.type === 'string' && node.enum === undefined) node.maxLength ??= MAX_STATUS_TEXT;
  if (node.format !== undefined && FORMATS_WITHOUT_PATTERN.has(node.format)) delete node.pattern;
}

/** A union of literals is an enum. */
function mergeLiterals(node: SchemaNode): void {
  const values = node.anyOf?.flatMap((branch) => branch.enum ?? (branch.const === undefined ? [] : [branch.const]));
  if (values === undefined || values.length !== node.anyOf?.length) return;
  delete node.anyOf;
  node.enum = values;
  node.type = typeof values[0] === 'number' ? 'integer' : 'string';
}

function mendInteger(node: SchemaNode): void {
  node.format ??= 'int64';
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
}
