// SPDX-License-Identifier: Apache-2.0
// Builds the CustomResourceDefinitions from the schemas: rules, printer columns, subresources.
import { backupSpec, backupStatus } from './backup.ts';
import { clusterSpec } from './cluster.ts';
import type { CelRule } from './fields.ts';
import { GROUP, VERSION } from './names.ts';
import { clusterNameRules, volumeRules } from './rules.ts';
import { clusterStatus } from './status.ts';
import { type SchemaNode, structuralSchema } from './structural.ts';

interface Column {
  readonly name: string;
  readonly type: 'string' | 'date' | 'integer';
  readonly jsonPath: string;
  readonly priority?: number;
  readonly description?: string;
}

const condition = (type: string, field: string): string => `.status.conditions[?(@.type=="${type}")].${field}`;
const ready: Column = { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status') };
const reason: Column = { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason') };
const message: Column = { name: 'Message', type: 'string', jsonPath: condition('Ready', 'message'), priority: 1 };
const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const clusterColumns: Column[] = [
  ready,
  reason,
  { name: 'Members', type: 'string', jsonPath: '.status.membersSummary', description: 'Members that serve, of all.' },
  { name: 'Version', type: 'string', jsonPath: '.status.version', description: 'Version of etcd.' },
  age,
  { name: 'DB Size', type: 'string', jsonPath: '.status.dbSize', priority: 1 },
  { name: 'Leader', type: 'string', jsonPath: '.status.leader', priority: 1 },
  message,
];

const backupColumns: Column[] = [
  ready,
  reason,
  { name: 'Cluster', type: 'string', jsonPath: '.spec.clusterName' },
  { name: 'Size', type: 'string', jsonPath: '.status.size', description: 'Size of the snapshot.' },
  { name: 'Revision', type: 'string', jsonPath: '.status.revision' },
  age,
  { name: 'Location', type: 'string', jsonPath: '.status.location', priority: 1 },
  message,
];

interface Definition {
  readonly kind: string;
  readonly description: string;
  readonly plural: string;
  readonly shortNames: string[];
  readonly spec: SchemaNode;
  readonly status: SchemaNode;
  readonly rules?: CelRule[];
  readonly columns: Column[];
  readonly scale?: object;
  readonly selectableFields?: { jsonPath: string }[];
}

function objectSchema(d: Definition) {
  // Nothing of it is required: an object may exist before the operator has seen it.
  const { required: _, ...status } = d.status;
  return {
    type: 'object',
    description: d.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: d.spec,
      // An object that the operator has not seen yet must not look done to kstatus.
      status: { ...status, description: 'What the operator sees.', default: { observedGeneration: -1 } },
    },
    ...(d.rules === undefined ? {} : { 'x-kubernetes-validations': d.rules }),
  };
}

function definition(d: Definition) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${d.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: d.kind,
        listKind: `${d.kind}List`,
        plural: d.plural,
        singular: d.kind.toLowerCase(),
        shortNames: d.shortNames,
        categories: ['quorate'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(d) },
          subresources: { status: {}, ...(d.scale === undefined ? {} : { scale: d.scale }) },
          additionalPrinterColumns: d.columns,
          ...(d.selectableFields === undefined ? {} : { selectableFields: d.selectableFields }),
        },
      ],
    },
  };
}

export type CustomResourceDefinition = ReturnType<typeof definition>;

export function clusterDefinition(): CustomResourceDefinition {
  return definition({
    kind: 'EtcdCluster',
    description: 'An etcd cluster: its members, their storage and certificates, and its backups.',
    plural: 'etcdclusters',
    shortNames: ['etcd'],
    spec: structuralSchema(clusterSpec),
    status: structuralSchema(clusterStatus),
    rules: [...clusterNameRules, ...volumeRules],
    columns: clusterColumns,
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  });
}

export function backupDefinition(): CustomResourceDefinition {
  return definition({
    kind: 'EtcdBackup',
    description: 'One snapshot of an EtcdCluster in the store of its backup policy; run once, to completion.',
    plural: 'etcdbackups',
    shortNames: ['etcdb'],
    spec: structuralSchema(backupSpec),
    status: structuralSchema(backupStatus),
    columns: backupColumns,
    selectableFields: [{ jsonPath: '.spec.clusterName' }],
  });
}

/** Every CRD, by the name of its file in `crds/`. */
export const definitions = (): Record<string, CustomResourceDefinition> =>
  Object.fromEntries(
    [clusterDefinition(), backupDefinition()].map((d) => [`${GROUP}_${d.spec.names.plural}.yaml`, d] as const),
  );
