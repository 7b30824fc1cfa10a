// SPDX-License-Identifier: Apache-2.0
// Tests of effectiveSpec(): defaults, and what is refused although each field by itself is right.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EtcdCluster, EtcdClusterSpec } from './cluster.ts';
import { effectiveSpec } from './effective.ts';
import { quantityBytes } from './quantities.ts';

const least: EtcdClusterSpec = { version: '3.6.16', storage: { size: '10Gi' } };
const cluster = (spec: object, name = 'orders'): EtcdCluster => ({
  metadata: { name, namespace: 'shop' },
  spec: { ...least, ...spec },
});
const quotaFor = (size: string): string => {
  const effective = effectiveSpec(cluster({ storage: { size } }));
  if (!effective.ok) throw new Error(effective.message);
  return effective.spec.quota;
};

const SELECTOR = 'spec.networkPolicy.clients[0].podSelector';
const selecting = (expression: object) => ({
  networkPolicy: { clients: [{ podSelector: { matchExpressions: [expression] } }] },
});
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });

describe('effectiveSpec', () => {
  it('fills in every default', () => {
    expect(effectiveSpec(cluster({}))).toEqual({
      ok: true,
      spec: {
        replicas: 3,
        version: '3.6.16',
        storage: { size: '10Gi', accessMode: 'ReadWriteOnce', retentionPolicy: { whenDeleted: 'Retain' } },
        image: { repository: 'gcr.io/etcd-development/etcd', pullPolicy: 'IfNotPresent', pullSecrets: [] },
        tls: { clientCertificates: [] },
        quota: '2048Mi',
        etcd: {
          maxRequestBytes: '1536Ki',
          autoCompaction: { mode: 'Periodic', retention: '5m' },
          heartbeatInterval: '100ms',
          electionTimeout: '1s',
          snapshotCount: 10_000,
        },
        pods: { resources: { requests: { cpu: '100m', memory: '128Mi' } } },
        service: { type: 'ClusterIP', annotations: {} },
        networkPolicy: { enabled: true },
        paused: false,
      },
    });
  });
  it('gives amounts as text, however they were written', () => {
    const effective = effectiveSpec(cluster({ pods: { resources: { requests: { cpu: 1, memory: '1Gi' } } } }));
    expect(effective).toMatchObject({ spec: { pods: { resources: { requests: { cpu: '1', memory: '1Gi' } } } } });
  });
  it.each([
    ['256Mi', '24Mi'],
    ['300Mi', '44Mi'],
    ['1Gi', '384Mi'],
    ['5Gi', '2048Mi'],
    ['64Ti', '2048Mi'],
  ])('gives a database on %s of storage %s', (size, quota) => {
    expect(quotaFor(size)).toBe(quota);
  });
  it('gives a quota that it would take from a user', () => {
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 200_000 }), (mib) => {
        const storage = { size: `${mib}Mi` };
        expect(effectiveSpec(cluster({ storage, etcd: { quota: quotaFor(storage.size) } })).ok).toBe(true);
      }),
    );
  });
  it('takes a quota exactly if the volume holds it twice beside the log', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 2000 }), fc.integer({ min: 256, max: 4000 }), (quota, size) => {
        const fits = 2n * quantityBytes(`${quota}Mi`) + quantityBytes('192Mi') <= quantityBytes(`${size}Mi`);
        expect(effectiveSpec(cluster({ storage: { size: `${size}Mi` }, etcd: { quota: `${quota}Mi` } })).ok).toBe(fits);
      }),
    );
  });

  it.each<[string, object, string, RegExp]>([
    ['an even number of members', { replicas: 2 }, 'spec.replicas', /1\|3\|5\|7\|9/],
    ['a version with a v', { version: 'v3.6.16' }, 'spec.version', /X\.Y\.Z.*without a leading v/],
    ['an unsafe version', { version: '3.5.2' }, 'spec.version', /refused.*use 3\.5\.26 or later/],
    ['no storage', { storage: undefined }, 'spec.storage', /./],
    ['too little storage', { storage: { size: '100Mi' } }, 'spec.storage.size', /between 256Mi and 64Ti/],
    ['a quota that is none', { etcd: { quota: 'much' } }, 'spec.etcd.quota', /quantity of bytes such as 512Mi/],
    ['a tiny quota', { etcd: { quota: '1Mi' } }, 'spec.etcd.quota', /between 16Mi and 100Gi/],
    [
      'a quota that does not fit',
      { etcd: { quota: '5Gi' } },
      'spec.etcd.quota',
      /needs a volume of 10432Mi.*spec.storage.size is 10Gi; lower/,
    ],
    ['huge requests', { etcd: { maxRequestBytes: '1Gi' } }, 'spec.etcd.maxRequestBytes', /between 16Ki and 10Mi/],
    [
      'a hurried election',
      { etcd: { heartbeatInterval: '300ms' } },
      'spec.etcd.electionTimeout',
      /five times heartbeatInterval \(1500ms\) and 50s/,
    ],
    ['a slow election', { etcd: { electionTimeout: '51s' } }, 'spec.etcd.electionTimeout', /50s/],
    ['no heartbeat', { etcd: { heartbeatInterval: '0ms' } }, 'spec.etcd.heartbeatInterval', /between 1ms and 10s/],
    [
      'an age for a number of revisions',
      { etcd: { autoCompaction: { mode: 'Revision' } } },
      'spec.etcd.autoCompaction.retention',
      /number of revisions/,
    ],
    [
      'a number for an age',
      { etcd: { autoCompaction: { retention: '5' } } },
      'spec.etcd.autoCompaction.retention',
      /duration such as 5m/,
    ],
    [
      'a client twice',
      { tls: { clientCertificates: [{ name: 'a' }, { name: 'a' }] } },
      'spec.tls.clientCertificates',
      /a is there twice/,
    ],
    [
      'a client twice that is not the first',
      { tls: { clientCertificates: [{ name: 'a' }, { name: 'b' }, { name: 'b' }] } },
      'spec.tls.clientCertificates',
      /^b is there twice/,
    ],
    [
      'a toleration of nothing',
      { pods: { tolerations: [{ operator: 'Equal' }] } },
      'spec.pods.tolerations[0]',
      /Exists/,
    ],
    [
      'a toleration of every value, and of one',
      { pods: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
      'spec.pods.tolerations[0]',
      /Exists/,
    ],
    ['clients of no values', selecting({ key: 'a', operator: 'In' }), `${SELECTOR}.matchExpressions[0]`, /values must/],
    [
      'clients of values that do not matter',
      selecting({ key: 'a', operator: 'Exists', values: ['b'] }),
      `${SELECTOR}.matchExpressions[0]`,
      /values must be given for In/,
    ],
    ['clients of nobody', { networkPolicy: { clients: [{}] } }, 'spec.networkPolicy.clients[0]', /podSelector/],
    [
      'clients inside and outside at once',
      { networkPolicy: { clients: [{ namespaceSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] } },
      'spec.networkPolicy.clients[0]',
      /ipBlock alone/,
    ],
    [
      'an affinity of one level more than it may have',
      { pods: { affinity: { nodeAffinity: nested(16) } } },
      'spec.pods.affinity',
      /at most 16 levels/,
    ],
    [
      'an affinity of one byte more than it may have',
      { pods: { affinity: { nodeAffinity: { x: 'y'.repeat(32_768 - 24) } } } },
      'spec.pods.affinity',
      /has 32769 bytes/,
    ],
    [
      'a client of a strange name',
      { tls: { clientCertificates: [{ name: 'a' }, { name: '../b' }] } },
      'spec.tls.clientCertificates[1].name',
      /lower-case/,
    ],
    [
      'a label of ours',
      { pods: { labels: { 'etcd.quorate.dev/cluster': 'other' } } },
      'spec.pods.labels.etcd.quorate.dev/cluster',
      /sets itself/,
    ],
    [
      'seconds of a toleration that nothing ends',
      { pods: { tolerations: [{ key: 'a', operator: 'Exists', tolerationSeconds: 60 }] } },
      'spec.pods.tolerations[0]',
      /tolerationSeconds needs effect NoExecute/,
    ],
    [
      'an endless affinity',
      { pods: { affinity: { nodeAffinity: { x: 'y'.repeat(40_000) } } } },
      'spec.pods.affinity',
      /at most 32768/,
    ],
    [
      'an affinity of nine thousand levels, which the API server takes',
      { pods: { affinity: { nodeAffinity: JSON.parse(`${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`) } } },
      'spec.pods.affinity',
      /at most 16 levels/,
    ],
    [
      "the operator's own common name",
      { tls: { clientCertificates: [{ name: 'a' }, { name: 'b', commonName: 'quorate-operator' }] } },
      'spec.tls.clientCertificates[1].commonName',
      /which the operator itself uses.*set another commonName/,
    ],
    [
      "a name that would become the operator's own common name",
      { tls: { clientCertificates: [{ name: 'quorate-backup' }] } },
      'spec.tls.clientCertificates[0].commonName',
      /if absent it is the name/,
    ],
    [
      'a store elsewhere',
      { backup: { store: { s3: { bucket: 'b-1', credentialsSecret: { name: 'other/secret' } } } } },
      'spec.backup.store.s3.credentialsSecret.name',
      /name of an object/,
    ],
    [
      'a climbing prefix',
      { backup: { store: { s3: { bucket: 'b-1', prefix: '../x', credentialsSecret: { name: 's' } } } } },
      'spec.backup.store.s3.prefix',
      /no part beginning with a dot/,
    ],
    ['schedules without a store', { backup: { schedules: [] } }, 'spec.backup.store', /./],
  ])('refuses %s by the name of the field', (_, spec, field, message) => {
    const effective = effectiveSpec(cluster(spec));
    expect(effective).toMatchObject({ ok: false, field });
    expect(effective).toMatchObject({ message: expect.stringMatching(message) });
  });
  it.each<[string, object]>([
    ['clients of several names', { tls: { clientCertificates: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] } }],
    ['a toleration of everything', { pods: { tolerations: [{ operator: 'Exists' }] } }],
    [
      'a toleration that ends',
      { pods: { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }] } },
    ],
    ['a toleration of one value', { pods: { tolerations: [{ key: 'a', operator: 'Equal', value: 'b' }] } }],
    ['clients of some values', selecting({ key: 'a', operator: 'NotIn', values: ['b'] })],
    ['clients without a label', selecting({ key: 'a', operator: 'DoesNotExist' })],
    ['clients outside', { networkPolicy: { clients: [{ ipBlock: { cidr: '10.0.0.0/8' } }] } }],
    ['clients of some namespaces', { networkPolicy: { clients: [{ podSelector: {}, namespaceSelector: {} }] } }],
    ['no compaction', { etcd: { autoCompaction: { mode: 'Revision', retention: '0' } } }],
    ['an affinity as deep as it may be', { pods: { affinity: { nodeAffinity: nested(15) } } }],
    ['an affinity as long as it may be', { pods: { affinity: { nodeAffinity: { x: 'y'.repeat(32_768 - 25) } } } }],
  ])('takes %s', (_, spec) => {
    expect(effectiveSpec(cluster(spec))).toMatchObject({ ok: true });
  });
  it.each(['0rders', 'Orders', 'orders-', 'or.ders', 'o'.repeat(53), '', 'orders\n'])('refuses the name %j', (name) => {
    expect(effectiveSpec(cluster({}, name))).toMatchObject({ ok: false, field: 'metadata.name' });
  });
  it('answers for any spec, and never with another prototype', () => {
    const anything = fc.record(
      { replicas: fc.anything(), etcd: fc.anything(), pods: fc.anything(), tls: fc.anything() },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(anything, (spec) => typeof effectiveSpec(cluster(spec)).ok === 'boolean'));
    const polluted: unknown = JSON.parse(
      '{"pods":{"labels":{"__proto__":"x","constructor":"y"}},"__proto__":{"paused":true}}',
    );
    effectiveSpec(cluster(polluted as object));
    expect(({} as Record<string, unknown>).paused).toBeUndefined();
  });
});
