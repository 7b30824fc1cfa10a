// SPDX-License-Identifier: Apache-2.0
// Writes the API reference in Markdown from the same schemas as the CRDs.
import { backupDefinition, clusterDefinition } from './crd.ts';
import { API_VERSION } from './names.ts';
import { REASONS } from './reasons.ts';
import type { SchemaNode } from './structural.ts';

interface Row {
  readonly path: string;
  readonly type: string;
  readonly value: string;
  readonly meaning: string;
}

function typeOf(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map((v) => `\`${String(v)}\``).join(', ');
  if (node.type === 'array') return `list of ${node.items?.type ?? 'any'}`;
  if (node.type === 'object' && node.properties === undefined) return 'map';
  const range = node.minimum === undefined ? '' : ` ${node.minimum}…${node.maximum ?? ''}`;
  return `${node.type ?? 'any'}${range}`;
}

function rows(node: SchemaNode, path: string): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const at = `${path}.${name}`;
    const required = node.required?.includes(name) === true;
    const simple = child.default !== undefined && typeof child.default !== 'object';
    const value = simple ? `\`${String(child.default)}\`` : required ? 'required' : '';
    const own = { path: at, type: typeOf(child), value, meaning: child.description ?? '' };
    const items = child.items?.properties === undefined ? [] : rows(child.items, `${at}[]`);
    return [own, ...rows(child, at), ...items];
  });
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function table(node: SchemaNode, path: string): string {
  const lines = rows(node, path).map((r) => `| \`${r.path}\` | ${cell(r.type)} | ${r.value} | ${cell(r.meaning)} |`);
  return ['| field | type | default | meaning |', '|---|---|---|---|', ...lines].join('\n');
}

export function apiReference(): string {
  const kinds = [clusterDefinition(), backupDefinition()].map((d) => {
    const schema = d.spec.versions[0]?.schema.openAPIV3Schema.properties;
    if (schema === undefined) throw new Error('no schema');
    const { spec, status } = schema;
    return `## ${d.spec.names.kind}\n\n${table(spec, 'spec')}\n\n### Status\n\n${table(status as SchemaNode, 'status')}\n`;
  });
  const reasons = REASONS.map((r) => `| \`${r.reason}\` | ${r.conditions} | ${cell(r.when)} | ${cell(r.remedy)} |`);
  return `# API reference

Generated from the schemas in \`src/api\` by \`make generate\`. Group and version: \`${API_VERSION}\`; both kinds are namespaced, in the category \`quorate\`.

Every object carries \`Ready\`; \`Reconciling\` and \`Stalled\` are present only while True, never together (kstatus). \`status.observedGeneration\` starts at −1, so an object that the operator has not seen never looks done.

${kinds.join('\n')}
## Conditions and reasons

| reason | on | when | what to do |
|---|---|---|---|
${reasons.join('\n')}
`;
}
