// SPDX-License-Identifier: Apache-2.0
// Tests of the CRDs as a whole: structural, bounded, described, small, with nothing that leads out of the namespace.

import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { backupDefinition, clusterDefinition, definitions } from './crd.ts';
import type { SchemaNode } from './structural.ts';

interface Place {
  readonly path: string;
  readonly node: SchemaNode;
  readonly inList: boolean;
}

function walk(node: SchemaNode, path: string, inList = false): Place[] {
  const children = Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    walk(child, `${path}.${name}`, inList),
  );
  const items = node.items === undefined ? [] : walk(node.items, `${path}[]`, true);
  const values =
    typeof node.additionalProperties === 'object' ? walk(node.additionalProperties, `${path}{}`, true) : [];
  return [{ path, node, inList }, ...children, ...items, ...values];
}

const places = Object.values(definitions()).flatMap((d) => {
  const { spec, status } = d.spec.versions[0]?.schema.openAPIV3Schema.properties ?? {};
  return [
    ...walk(spec as SchemaNode, `${d.spec.names.kind}.spec`),
    ...walk(status as SchemaNode, `${d.spec.names.kind}.status`),
  ];
});
const paths = (wrong: (p: Place) => boolean): string[] => places.filter(wrong).map((p) => p.path);

const open = ({ node, path }: Place) =>
  path.includes('.spec') &&
  node.type === 'integer' &&
  node.enum === undefined &&
  (node.minimum === undefined || node.maximum === undefined);
const silent = ({ path, node }: Place) => path.includes('.spec') && !/[\]}]$/.test(path) && !node.description;
const columns = (d: ReturnType<typeof clusterDefinition>, wide: boolean) =>
  d.spec.versions[0]?.additionalPrinterColumns.filter((c) => (c.priority === 1) === wide).map((c) => c.name);

describe('the CRDs', () => {
  it('have a type everywhere, and none of what a structural schema forbids', () => {
    expect(paths(({ node }) => node.type === undefined && node['x-kubernetes-int-or-string'] !== true)).toEqual([]);
    expect(
      paths(({ node }) => ['anyOf', 'oneOf', 'allOf', 'not', '$ref', 'const', 'propertyNames'].some((k) => k in node)),
    ).toEqual([]);
    expect(paths(({ node }) => node.properties !== undefined && node.additionalProperties !== undefined)).toEqual([]);
  });
  it('bound every text, list and map', () => {
    expect(
      paths(({ node }) => node.type === 'string' && node.enum === undefined && node.maxLength === undefined),
    ).toEqual([]);
    expect(paths(({ node }) => node.type === 'array' && node.maxItems === undefined)).toEqual([]);
    expect(
      paths(({ node }) => node.type === 'object' && node.properties === undefined && node.maxProperties === undefined),
    ).toEqual([]);
  });
  it('bound every number of a spec', () => {
    expect(paths(open)).toEqual([]);
  });
  it('have no default inside a list', () => {
    expect(paths(({ node, inList }) => inList && node.default !== undefined)).toEqual([]);
  });
  it('describe every field of a spec', () => {
    expect(paths(silent)).toEqual([]);
  });
  it('never let a reference name a namespace', () => {
    expect(paths(({ path }) => /\.namespace$/i.test(path))).toEqual([]);
  });
  it('leave none of our own marks in the schema', () => {
    expect(JSON.stringify(definitions())).not.toContain('x-quorate');
  });
  it('have only patterns that RE2 knows', () => {
    const patterns = [...JSON.stringify(definitions()).matchAll(/matches\('((?:[^'\\]|\\.)*)'\)/g)].map(
      (m) => m[1] ?? '',
    );
    expect(patterns.length).toBeGreaterThan(20);
    expect(patterns.filter((p) => /\(\?[=!<]|\\\\[1-9]/.test(p))).toEqual([]);
  });
  it('say a sentence with every rule', () => {
    const rules = places.flatMap(({ node }) => node['x-kubernetes-validations'] ?? []);
    expect(rules.length).toBeGreaterThan(40);
    expect(rules.filter((r) => (r.message ?? r.messageExpression ?? '').length < 15)).toEqual([]);
  });
  it('fit into the annotation that kubectl apply writes', () => {
    for (const d of Object.values(definitions())) expect(stringify(d).length).toBeLessThan(200 * 1024);
  });
  it('make an object that nobody has seen look unfinished', () => {
    for (const d of Object.values(definitions())) {
      const { status } = d.spec.versions[0]?.schema.openAPIV3Schema.properties ?? {};
      expect(status).toMatchObject({ default: { observedGeneration: -1 } });
      expect(status).not.toHaveProperty('required');
    }
  });
  it('print what people look for', () => {
    expect(columns(clusterDefinition(), false)).toEqual(['Ready', 'Reason', 'Members', 'Version', 'Age']);
    expect(columns(clusterDefinition(), true)).toEqual(['DB Size', 'Leader', 'Message']);
    expect(columns(backupDefinition(), false)).toEqual(['Ready', 'Reason', 'Cluster', 'Size', 'Revision', 'Age']);
    expect(columns(backupDefinition(), true)).toEqual(['Location', 'Message']);
  });
});
