// SPDX-License-Identifier: Apache-2.0
// What counts as an edit of a cluster: a difference in meaning, and never one that the user did not make.
import { describe, expect, it } from 'vitest';
import type { EffectiveCluster, EtcdClusterSpec } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { decodeOptions, edits, encodeOptions, formationOf } from './formation.ts';

const least: EtcdClusterSpec = { version: '3.6.16', storage: { size: '10Gi' } };

function given(over: object): EffectiveCluster {
  const metadata = { name: 'orders', namespace: 'shop' };
  const made = effectiveSpec({ metadata, spec: { ...least, ...over } });
  if (!made.ok) throw new Error(`${made.field}: ${made.message}`);
  return made.spec;
}

const between = (from: object, to: object): string[] => edits(given(to), formationOf(given(from)));

describe('an edit', () => {
  it.each<[string, object, object]>([
    ['the size of the storage', { storage: { size: '10Gi' } }, { storage: { size: '10240Mi' } }],
    ['the same size in decimals', { storage: { size: '1.5Gi' } }, { storage: { size: '1536Mi' } }],
    ['the quota', { etcd: { quota: '2Gi' } }, { etcd: { quota: '2048Mi' } }],
    ['the quota that is the default', {}, { etcd: { quota: '2Gi' } }],
    ['the default in place of the same quota', { etcd: { quota: '2Gi' } }, {}],
    ['requests of bytes', { etcd: { maxRequestBytes: '1536Ki' } }, { etcd: { maxRequestBytes: '1.5Mi' } }],
    ['a second', { etcd: { electionTimeout: '1s' } }, { etcd: { electionTimeout: '1000ms' } }],
    ['an hour', { etcd: { autoCompaction: { retention: '1h' } } }, { etcd: { autoCompaction: { retention: '60m' } } }],
    [
      'cores',
      { pods: { resources: { requests: { cpu: 1, memory: '1Gi' } } } },
      { pods: { resources: { requests: { memory: '1024Mi', cpu: '1000m' } } } },
    ],
    ['a default', {}, { image: { pullPolicy: 'IfNotPresent' } }],
    ['what needs no member to restart', {}, { service: { type: 'NodePort' }, paused: true }],
  ])('is nothing that means the same: %s', (_, from, to) => {
    expect(between(from, to)).toEqual([]);
  });

  it.each<[object, object, string]>([
    [{ storage: { size: '10Gi' } }, { storage: { size: '10G' } }, 'spec.storage.size (10Gi → 10G)'],
    [{}, { storage: { size: '10Gi', storageClassName: 'a' } }, 'spec.storage.storageClassName (unset → a)'],
    [{ etcd: { quota: '4Gi' } }, { etcd: { quota: '3Gi' } }, 'spec.etcd.quota (4Gi → 3Gi)'],
    [{ etcd: { quota: '4Gi' } }, {}, 'spec.etcd.quota (4Gi → 2048Mi)'],
    [{}, { etcd: { quota: '4Gi' } }, 'spec.etcd.quota (2048Mi → 4Gi)'],
    [{}, { etcd: { heartbeatInterval: '99ms' } }, 'spec.etcd.heartbeatInterval (100ms → 99ms)'],
    [
      { etcd: { autoCompaction: { retention: '1h' } } },
      { etcd: { autoCompaction: { mode: 'Revision', retention: '3600' } } },
      'spec.etcd.autoCompaction ({"mode":"Periodic","retention":"1h"} → {"mode":"Revision","retention":"3600"})',
    ],
    [
      { pods: { labels: { a: '1' } } },
      { pods: { labels: { a: '1.0' } } },
      'spec.pods.labels ({"a":"1"} → {"a":"1.0"})',
    ],
    [
      { pods: { labels: { a: '1000m' } } },
      { pods: { labels: { a: '1' } } },
      'spec.pods.labels ({"a":"1000m"} → {"a":"1"})',
    ],
    [
      { pods: { labels: { a: '1h' } } },
      { pods: { labels: { a: '60m' } } },
      'spec.pods.labels ({"a":"1h"} → {"a":"60m"})',
    ],
    [{}, { pods: { nodeSelector: { disk: 'ssd' } } }, 'spec.pods.nodeSelector (unset → {"disk":"ssd"})'],
    [{}, { replicas: 5 }, 'spec.replicas (3 → 5)'],
  ])('%j → %j is told', (from, to, text) => {
    expect(between({ pods: { resources: {} }, ...from }, { pods: { resources: {} }, ...to })).toContain(text);
  });

  it('is none where we work out differently what was left to us', () => {
    const formed = { ...formationOf(given({})), quota: '1Gi' };
    expect(edits(given({}), formed)).toEqual([]);
    expect(edits(given({ etcd: { quota: '2Gi' } }), formed)).toEqual(['spec.etcd.quota (1Gi → 2Gi)']);
  });
});

describe('the options on a claim', () => {
  it('are read back as they were written', () => {
    const formation = formationOf(
      given({ pods: { tolerations: [{ operator: 'Exists' }], affinity: { podAffinity: { x: [1] } } } }),
    );
    const { image, etcd, quota, pods } = formation;
    expect(decodeOptions(encodeOptions(formation))).toEqual({ image, etcd, quota, pods });
  });
  it('are the same text whatever their order, so that nothing is written again', () => {
    const formation = formationOf(given({ etcd: { quota: '2Gi' } }));
    const turned = Object.fromEntries(Object.entries(formation.etcd).toReversed()) as typeof formation.etcd;
    expect(encodeOptions({ ...formation, etcd: turned })).toBe(encodeOptions(formation));
  });
});
