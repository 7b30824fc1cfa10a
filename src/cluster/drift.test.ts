// SPDX-License-Identifier: Apache-2.0
// Tables for drift detection and repair.
import { describe, expect, it } from 'vitest';
import { absence, drift, repair } from './drift.ts';

const closed = ['spec.selector', 'data', 'spec.ingress.**'];

const cases: { sentence: string; desired: unknown; live: unknown; found?: string; patch?: unknown }[] = [
  {
    sentence: 'fields that the server defaulted are not drift',
    desired: { spec: { ports: [{ name: 'peer', port: 2380 }] } },
    live: { spec: { clusterIP: '198.18.128.7', ports: [{ name: 'peer', port: 2380, protocol: 'TCP' }] } },
  },
  {
    sentence: 'an edited value is named by its path and put back alone',
    desired: { spec: { replicas: 3, serviceName: 'a' } },
    live: { spec: { replicas: 1, serviceName: 'a' } },
    found: 'spec.replicas',
    patch: { spec: { replicas: 3 } },
  },
  {
    sentence: 'an added list item is drift, and the list is put back whole',
    desired: { spec: { containers: [{ name: 'etcd' }] } },
    live: { spec: { containers: [{ name: 'etcd' }, { name: 'miner' }] } },
    found: 'spec.containers',
    patch: { spec: { containers: [{ name: 'etcd' }] } },
  },
  {
    sentence: 'a foreign key in a closed map is removed',
    desired: { spec: { selector: { a: '1' } } },
    live: { spec: { selector: { a: '1', b: '2' } } },
    found: 'spec.selector.b',
    patch: { spec: { selector: { b: null } } },
  },
  {
    sentence: 'a foreign key in an open map is left alone',
    desired: { metadata: { labels: { a: '1' } } },
    live: { metadata: { labels: { a: '1', team: 'x' } } },
  },
  {
    sentence: 'also when something beside it is put back',
    desired: { metadata: { labels: { a: '1' } } },
    live: { metadata: { labels: { a: '2', team: 'x' } } },
    found: 'metadata.labels.a',
    patch: { metadata: { labels: { a: '1' } } },
  },
  {
    sentence: 'in a closed subtree an added key is drift even when it is empty, and the list is put back whole',
    desired: { spec: { ingress: [{ from: [{ podSelector: { matchLabels: { a: '1' } } }] }] } },
    live: { spec: { ingress: [{ from: [{ podSelector: { matchLabels: { a: '1' } }, namespaceSelector: {} }] }] } },
    found: 'spec.ingress[0].from[0].namespaceSelector',
    patch: { spec: { ingress: [{ from: [{ podSelector: { matchLabels: { a: '1' } } }] }] } },
  },
  {
    sentence: 'the same beside a selector that we want empty',
    desired: { spec: { ingress: [{ from: [{ podSelector: {} }] }] } },
    live: { spec: { ingress: [{ from: [{ podSelector: {}, namespaceSelector: {} }] }] } },
    found: 'spec.ingress[0].from[0].namespaceSelector',
    patch: { spec: { ingress: [{ from: [{ podSelector: {} }] }] } },
  },
  {
    sentence: 'a subtree is closed by its whole name',
    desired: { spec: { ingressClass: { a: '1' } } },
    live: { spec: { ingressClass: { a: '1', b: '2' } } },
  },
  {
    sentence: 'a map that must be empty is emptied',
    desired: { spec: { lifecycle: {} } },
    live: { spec: { lifecycle: { preStop: { exec: {} } } } },
    found: 'spec.lifecycle.preStop',
    patch: { spec: { lifecycle: { preStop: null } } },
  },
  {
    sentence: 'false, zero and empty are the same as absent',
    desired: { spec: { hostNetwork: false, initContainers: [], nodeSelector: {} } },
    live: { spec: {} },
  },
  {
    sentence: 'a field that must be absent is removed',
    desired: { spec: { hostNetwork: false, initContainers: [] } },
    live: { spec: { hostNetwork: true, initContainers: [{ name: 'x' }] } },
    found: 'spec.hostNetwork',
    patch: { spec: { hostNetwork: null, initContainers: null } },
  },
  {
    sentence: 'quantities are compared by value',
    desired: { resources: { requests: { cpu: '0.1', memory: '1024Mi', storage: '1Gi' } } },
    live: { resources: { requests: { cpu: '100m', memory: '1Gi', storage: '1073741824' } } },
  },
  {
    sentence: 'a string that only looks like a quantity elsewhere is compared as text',
    desired: { data: { retention: '1024Mi' } },
    live: { data: { retention: '1Gi' } },
    found: 'data.retention',
    patch: { data: { retention: '1024Mi' } },
  },
  {
    sentence: 'a missing subtree is given whole',
    desired: { spec: { policyTypes: ['Ingress'] } },
    live: {},
    found: 'spec',
    patch: { spec: { policyTypes: ['Ingress'] } },
  },
];

describe('drift', () => {
  for (const { sentence, desired, live, found, patch } of cases) {
    it(sentence, () => {
      expect(drift(desired, live, closed)).toBe(found);
      if (patch !== undefined) expect(repair(desired, live, closed)).toEqual(patch);
    });
  }
});

describe('what is not there at all', () => {
  const affinity = { nodeAffinity: { prefered: [{ weight: 1 }] } };
  it.each<[string, unknown, unknown, string | undefined]>([
    [
      'a misspelt key that the server dropped',
      { spec: { affinity } },
      { spec: { affinity: { nodeAffinity: {} } } },
      'spec.affinity.nodeAffinity.prefered',
    ],
    ['with all that was beside it', { spec: { affinity } }, { spec: {} }, 'spec.affinity'],
    ['a key in an item of a list', [{ a: 1, b: 2 }], [{ a: 1 }], '[0].b'],
    ['a value that somebody changed is there', { a: 1 }, { a: 2 }, undefined],
    ['nothing is missed where nothing is wanted', { a: {}, b: [], c: false, d: { start: 0 } }, {}, undefined],
    ['what others added is not ours to judge', { a: 1 }, { a: 1, b: 2 }, undefined],
  ])('%s', (_sentence, desired, live, found) => {
    expect(absence(desired, live)).toBe(found);
  });
});
