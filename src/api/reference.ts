// SPDX-License-Identifier: Apache-2.0
// Writes the API reference in Markdown from the same schemas as the CRDs.
import { CONDITIONS } from './conditions.ts';
import { type CustomResourceDefinition, definitions } from './crd.ts';
import { API_VERSION } from './names.ts';
import { REASONS } from './reasons.ts';
import type { SchemaNode } from './structural.ts';
import { FAULTS, floorOf, TESTED_VERSIONS } from './versions.ts';

interface Row {
  readonly path: string;
  readonly type: string;
  readonly value: string;
  readonly meaning: string;
}

const isList = (node: SchemaNode): boolean => node.type === 'array';
const code = (v: unknown): string => `\`${String(v)}\``;
const capital = (s: string): string => `${s.charAt(0).toUpperCase()}${s.slice(1)}`;

function typeOf(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map(code).join(', ');
  if (node['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (isList(node)) {
    const unique = node['x-kubernetes-list-map-keys']?.join(' and ');
    return `list of ${node.items?.type ?? 'any'}, at most ${node.maxItems}${unique === undefined ? '' : `, unique by ${unique}`}`;
  }
  if (node['x-kubernetes-preserve-unknown-fields'] === true) return 'object of Kubernetes';
  if (typeof node.additionalProperties === 'object') return 'map of string';
  if (node.type === 'string' && node.format === 'date-time') return 'time';
  if (node.type === 'string' && node.maxLength !== undefined) return `string, at most ${node.maxLength}`;
  if (node.minimum === undefined) return node.type ?? 'any';
  return node.maximum === undefined
    ? `${node.type}, at least ${node.minimum}`
    : `${node.type}, ${node.minimum} to ${node.maximum}`;
}

/** The form of a value, in the words of the message that refuses any other. */
const formOf = (node: SchemaNode): string =>
  (node['x-kubernetes-validations'] ?? [])
    .filter((v) => /^(string\(self\)|self)\.matches/.test(v.rule) && v.message !== undefined)
    .map((v) => ` ${capital(v.message ?? '')}.`)
    .join('');

function valueOf(value: unknown, required: boolean): string {
  if (value === undefined) return required ? 'required' : '';
  if (typeof value === 'object') return '';
  return value === '' ? 'empty' : code(value);
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

/** `outer`: the default of the object around, which may hold those of its fields. */
function rows(node: SchemaNode, path: string, outer: unknown = node.default): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const at = `${path}.${name}`;
    const value = child.default ?? fieldOf(outer, name);
    const own = {
      path: at,
      type: typeOf(child),
      value: valueOf(value, node.required?.includes(name) === true),
      meaning: `${child.description ?? ''}${formOf(child)}`,
    };
    // A selector looks the same everywhere; Kubernetes' own documentation tells it better.
    if (child.properties?.matchExpressions !== undefined) return [{ ...own, type: 'label selector' }];
    return [own, ...rows(child, at, value), ...(child.items === undefined ? [] : rows(child.items, `${at}[]`))];
  });
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function fieldTable(node: SchemaNode, path: string): string {
  const shown = rows(node, path).filter((r) => !r.path.startsWith('status.conditions.'));
  const lines = shown.map((r) => `| \`${r.path}\` | ${cell(r.type)} | ${r.value} | ${cell(r.meaning)} |`);
  return ['| field | type | default | meaning |', '|---|---|---|---|', ...lines].join('\n');
}

function statusTable(node: SchemaNode): string {
  const lines = rows(node, 'status').map((r) => `| \`${r.path}\` | ${cell(r.type)} | ${cell(r.meaning)} |`);
  return ['| field | type | meaning |', '|---|---|---|', ...lines].join('\n');
}

/** What concerns more than one field, or the value before: the rules that are no mere form. */
function ruleList(node: SchemaNode, path: string): string[] {
  const own = (node['x-kubernetes-validations'] ?? [])
    .filter((v) => !/^(string\(self\)|self)\.matches/.test(v.rule))
    .map((v) => `- ${subject(`${path}${v.fieldPath ?? ''}`, v.message ?? v.messageExpression ?? '')}`);
  const below = Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    name === 'metadata' ? [] : ruleList(child, path === '' ? name : `${path}.${name}`),
  );
  return [...own, ...below, ...(node.items === undefined ? [] : ruleList(node.items, `${path}[]`))];
}

/** A message that names its field itself needs no other name before it. */
const subject = (path: string, message: string): string =>
  /^'?spec\./.test(message) ? sentence(message) : `\`${path.replace(/^\./, '')}\` ${sentence(message)}`;

/** A message expression without its quotes: what is computed stands in angle brackets. */
const sentence = (message: string): string =>
  message.startsWith("'")
    ? message
        .split(/'((?:[^'\\]|\\.)*)'/)
        .map((part, i) => (i % 2 === 1 ? part : part.trim() === '' ? '' : '…'))
        .join('')
    : message;

function kind(d: CustomResourceDefinition): string {
  const schema = d.spec.versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error('no schema');
  const { spec, status } = schema.properties;
  const { kind: name, shortNames, plural } = d.spec.names;
  return `## ${name}

${schema.description} Short name: \`${shortNames.join('`, `')}\`; \`kubectl explain ${plural}.spec\` shows the same.

### Spec

${fieldTable(spec, 'spec')}

Refused at admission besides, each time with the field, the range and the remedy:

${[...new Set(ruleList({ ...schema, properties: { spec } }, ''))].map((line) => line.replace('- `` ', '- ')).join('\n')}

### Status

${statusTable(status)}
`;
}

function versionTable(): string {
  const lines = TESTED_VERSIONS.map((tested) => {
    const minor = tested.slice(0, tested.lastIndexOf('.'));
    const faults = FAULTS.filter((f) => f.minor === minor).map((f) => `before ${minor}.${f.fixedIn}: ${f.what}`);
    return `| ${minor} | ${tested} | ${floorOf(minor)} | ${faults.join('; ')} |`;
  });
  return ['| minor | tested | oldest allowed | why |', '|---|---|---|---|', ...lines].join('\n');
}

const conditionTable = (): string =>
  [
    '| condition | on | present | True means |',
    '|---|---|---|---|',
    ...Object.entries(CONDITIONS).map(
      ([type, c]) => `| \`${type}\` | ${c.kinds} | ${c.presence} | ${cell(c.meaning)} |`,
    ),
  ].join('\n');

const reasonTable = (): string =>
  [
    '| reason | on | when | what to do |',
    '|---|---|---|---|',
    ...Object.entries(REASONS).map(([name, r]) => `| \`${name}\` | ${r.on} | ${cell(r.when)} | ${cell(r.remedy)} |`),
  ].join('\n');

/** `backupFailures`: the reasons of an EtcdBackup that failed, with their remedies. */
export function apiReference(backupFailures: Readonly<Record<string, string>>): string {
  const failures = Object.entries(backupFailures).map(
    ([name, remedy]) => `| \`${name}\` | ${cell(capital(remedy))}. |`,
  );
  return `# API reference

Generated from the schemas in \`src/api\` by \`make generate\`. Group and version: \`${API_VERSION}\`; every kind is namespaced, in the category \`quorate\` (\`kubectl get quorate\`). References name objects of the same namespace. Unknown fields are reported by kubectl's strict validation.

The operator never writes \`spec\`. \`status.observedGeneration\` starts at -1, so that an object which the operator has not seen never looks done.

${Object.values(definitions()).map(kind).join('\n')}
## Versions of etcd

${versionTable()}

## Conditions

\`Ready\`, \`Reconciling\` and \`Stalled\` follow kstatus, so \`kubectl wait\` and Flux read them alike; the last two are never present together. Argo CD needs [a script](argocd.md).

${conditionTable()}

## Reasons

\`on\` names the conditions that carry the reason; \`Event\`: it has an Event of its own; \`log\`: the field \`reason\` of a log line. When an EtcdCluster becomes \`Stalled\`, or is so for another reason, a Warning Event says so too. Of an EtcdBackup every reason but \`Running\` is told in an Event.

${reasonTable()}

### Reasons of a failed EtcdBackup

| reason | what to do |
|---|---|
${failures.join('\n')}
`;
}
