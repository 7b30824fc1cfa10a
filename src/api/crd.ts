// SPDX-License-Identifier: Apache-2.0
// Builds the CustomResourceDefinitions from the schemas: CEL rules, printer columns, subresources.
import { backupSpec, backupStatus } from './backup.ts';
import { clusterSpec, clusterStatus } from './cluster.ts';
import { GROUP, MAX_CLUSTER_NAME, VERSION } from './names.ts';
import { type SchemaNode, structuralSchema } from './structural.ts';

interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden';
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'date' | 'integer';
  readonly jsonPath: string;
  readonly priority?: number;
  readonly description?: string;
}

const condition = (type: string, field: string): string => `.status.conditions[?(@.type=="${type}")].${field}`;
const invalid = 'FieldValueInvalid' as const;

const clusterRules: CelRule[] = [
  {
    rule: `self.metadata.name.size() <= ${MAX_CLUSTER_NAME} && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')`,
    message: `metadata.name must start with a letter, hold only lower-case letters, digits and dashes, and have at most ${MAX_CLUSTER_NAME} characters: Services and labels are named after it`,
    reason: invalid,
  },
];

const storageRules: CelRule[] = [
  {
    rule: 'quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0',
    messageExpression:
      "'spec.storage.size cannot shrink from ' + oldSelf.size + ' to ' + self.size + ': volumes only grow'",
    fieldPath: '.size',
    reason: invalid,
  },
  {
    rule: 'has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)',
    message:
      'spec.storage.storageClassName cannot change: the volumes are there already; make a new cluster and restore a backup into it',
    reason: 'FieldValueForbidden',
  },
  {
    rule: 'self.accessMode == oldSelf.accessMode',
    message: 'spec.storage.accessMode cannot change',
    fieldPath: '.accessMode',
    reason: 'FieldValueForbidden',
  },
]; // prettier-ignore

const storageSizeRules: CelRule[] = [
  {
    rule: "quantity(self.size).compareTo(quantity('256Mi')) >= 0",
    messageExpression: "'spec.storage.size is ' + self.size + '; at least 256Mi'",
    fieldPath: '.size',
    reason: invalid,
  },
];

const etcdRules: CelRule[] = [
  {
    rule: 'duration(self.electionTimeout) >= duration(self.heartbeatInterval) + duration(self.heartbeatInterval) + duration(self.heartbeatInterval) + duration(self.heartbeatInterval) + duration(self.heartbeatInterval)',
    messageExpression:
      "'spec.etcd.electionTimeout is ' + self.electionTimeout + '; at least five times spec.etcd.heartbeatInterval, which is ' + self.heartbeatInterval",
    fieldPath: '.electionTimeout',
    reason: invalid,
  },
  {
    rule: "duration(self.electionTimeout) <= duration('50s')",
    messageExpression: "'spec.etcd.electionTimeout is ' + self.electionTimeout + '; at most 50s'",
    fieldPath: '.electionTimeout',
    reason: invalid,
  },
  {
    rule: "duration(self.heartbeatInterval) >= duration('1ms')",
    messageExpression: "'spec.etcd.heartbeatInterval is ' + self.heartbeatInterval + '; at least 1ms'",
    fieldPath: '.heartbeatInterval',
    reason: invalid,
  },
  {
    rule: "!has(self.quota) || (quantity(self.quota).compareTo(quantity('16Mi')) >= 0 && quantity(self.quota).compareTo(quantity('100Gi')) <= 0)",
    messageExpression: "'spec.etcd.quota is ' + self.quota + '; between 16Mi and 100Gi'",
    reason: invalid,
  },
]; // prettier-ignore

const specRules: CelRule[] = [
  {
    // Twice the quota and 64Mi of log must fit the volume.
    rule: "!has(self.etcd.quota) || !isQuantity(self.etcd.quota) || quantity(self.etcd.quota).add(quantity(self.etcd.quota)).add(quantity('64Mi')).compareTo(quantity(self.storage.size)) <= 0",
    messageExpression:
      "'spec.etcd.quota ' + self.etcd.quota + ' does not fit spec.storage.size ' + self.storage.size + ': a volume holds twice the quota (defragmentation writes a copy) and 64Mi of log; lower the quota or enlarge the storage'",
    reason: invalid,
  },
]; // prettier-ignore

const clusterColumns: Column[] = [
  { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status') },
  { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason') },
  { name: 'Members', type: 'string', jsonPath: '.status.membersSummary' },
  { name: 'Version', type: 'string', jsonPath: '.status.version' },
  { name: 'Message', type: 'string', jsonPath: condition('Ready', 'message'), priority: 1 },
  { name: 'DB Size', type: 'string', jsonPath: '.status.dbSize', priority: 1 },
  { name: 'Leader', type: 'string', jsonPath: '.status.leader', priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

const backupColumns: Column[] = [
  { name: 'Ready', type: 'string', jsonPath: condition('Ready', 'status') },
  { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason') },
  { name: 'Cluster', type: 'string', jsonPath: '.spec.clusterName' },
  { name: 'Size', type: 'string', jsonPath: '.status.size' },
  { name: 'Revision', type: 'string', jsonPath: '.status.revision' },
  { name: 'Location', type: 'string', jsonPath: '.status.location', priority: 1 },
  { name: 'Message', type: 'string', jsonPath: condition('Ready', 'message'), priority: 1 },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: string[];
  readonly spec: SchemaNode;
  readonly status: SchemaNode;
  readonly rules: CelRule[];
  readonly columns: Column[];
  readonly scale?: object;
  readonly selectableFields?: { jsonPath: string }[];
}

function definition(d: Definition) {
  const schema = {
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: d.spec,
      // An object that the operator has not seen yet must not look done to kstatus.
      status: { ...d.status, required: [], default: { observedGeneration: -1 } },
    },
    ...(d.rules.length === 0 ? {} : { 'x-kubernetes-validations': d.rules }),
  };
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
          schema: { openAPIV3Schema: schema },
          subresources: { status: {}, ...(d.scale === undefined ? {} : { scale: d.scale }) },
          additionalPrinterColumns: d.columns,
          ...(d.selectableFields === undefined ? {} : { selectableFields: d.selectableFields }),
        },
      ],
    },
  }; // prettier-ignore
}

function withRules(node: SchemaNode | undefined, rules: CelRule[]): void {
  if (node === undefined) throw new Error('no such part of the schema');
  node['x-kubernetes-validations'] = rules;
}

export function clusterDefinition() {
  const spec = structuralSchema(clusterSpec);
  withRules(spec, specRules);
  withRules(spec.properties?.storage, [...storageSizeRules, ...storageRules]);
  withRules(spec.properties?.etcd, etcdRules);
  const backup = spec.properties?.backup;
  if (backup !== undefined) backup.required = ['store'];
  return definition({
    kind: 'EtcdCluster',
    plural: 'etcdclusters',
    shortNames: ['etcd'],
    spec,
    status: structuralSchema(clusterStatus),
    rules: clusterRules,
    columns: clusterColumns,
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  }); // prettier-ignore
}

export function backupDefinition() {
  const spec = structuralSchema(backupSpec);
  withRules(spec, [
    {
      rule: 'self.clusterName == oldSelf.clusterName',
      message: 'spec.clusterName cannot change; make a new EtcdBackup',
      fieldPath: '.clusterName',
      reason: 'FieldValueForbidden',
    },
  ]); // prettier-ignore
  return definition({
    kind: 'EtcdBackup',
    plural: 'etcdbackups',
    shortNames: ['etcdb'],
    spec,
    status: structuralSchema(backupStatus),
    rules: [],
    columns: backupColumns,
    selectableFields: [{ jsonPath: '.spec.clusterName' }],
  }); // prettier-ignore
}
