// SPDX-License-Identifier: Apache-2.0
// Two clusters of one spec compare equal whatever was drawn or given for them, and nothing else is overlooked.
import { expect, it } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { cluster } from '../e2e/harness/cluster.ts';
import { comparable, type Found } from '../e2e/harness/inventory.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

interface Drawn {
  name: string;
  namespace: string;
  genesis: string;
  incarnation: string;
  key: string;
  address: string;
}

const one: Drawn = {
  name: 'whole',
  namespace: 'here-0',
  genesis: '00112233445566ff',
  incarnation: '8899aabb',
  key: 'MIIB',
  address: '10.0.0.7',
};
const other: Drawn = {
  name: 'broken',
  namespace: 'there-1',
  genesis: 'ffeeddccbbaa9988',
  incarnation: '01234567',
  key: 'Zm9v',
  address: '10.0.0.9',
};

const itself = ({ name, namespace }: Drawn): EtcdCluster => ({
  ...cluster(namespace, name),
  status: {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Ready',
        message: name,
        lastTransitionTime: name,
        observedGeneration: 1,
      },
    ],
  },
});

function children({ name, namespace, genesis, incarnation, key, address }: Drawn, phase = 'Formed'): Found[] {
  const metadata = (suffix: string, annotations = {}) => ({
    name: `${name}${suffix}`,
    namespace,
    uid: `uid-of-${name}`,
    resourceVersion: key,
    creationTimestamp: key,
    annotations: { 'etcd.quorate.dev/genesis': genesis, 'example.com/of-others': key, ...annotations },
    ownerReferences: [{ apiVersion: 'v1', kind: 'EtcdCluster', name, uid: `uid-of-${name}` }],
  });
  const identity = JSON.stringify({ genesis, phase, members: [{ name: `${name}-0`, incarnation }] });
  return [
    { kind: 'ConfigMap', metadata: metadata('-config'), data: { 'identity.json': identity, checksum: key } },
    {
      kind: 'Secret',
      metadata: metadata('-tls-server'),
      data: {
        'tls.key': base64(`-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`),
        [`${name}-0.yaml`]: base64(`data-dir: /var/lib/etcd/${genesis}/${incarnation}\n`),
      },
    },
    {
      kind: 'Service',
      metadata: metadata('-client'),
      spec: { clusterIP: address, clusterIPs: [address], selector: { cluster: name } },
    },
    {
      kind: 'Pod',
      metadata: metadata('-0', { 'etcd.quorate.dev/file': `${key}@${key}` }),
      spec: { nodeName: key, hostname: `${name}-0` },
    },
  ];
}

const want = comparable(itself(one), children(one));

it('two clusters are equal whose names, draws, addresses, keys and times differ', () => {
  expect(comparable(itself(other), children(other))).toEqual(want);
});

it('what is drawn is masked where it stands, and the rest is there', () => {
  expect(want).toMatchObject({
    'Secret/NAME-tls-server': {
      data: { 'tls.key': 'PRIVATE KEY\n', 'NAME-0.yaml': 'data-dir: /var/lib/etcd/GENESIS/INCARNATION-0\n' },
    },
    'Service/NAME-client': { spec: { clusterIP: 'ADDRESS', selector: { cluster: 'NAME' } } },
    'Pod/NAME-0': { annotations: { 'etcd.quorate.dev/genesis': 'GENESIS' }, spec: { hostname: 'NAME-0' } },
  });
  expect(JSON.stringify(want)).not.toMatch(/uid-of|10\.0\.0\.7|MIIB|here-0|8899aabb/);
});

const [config, secret, service, pod] = children(other) as [Found, Found, Found, Found];

it.each<[string, Found[]]>([
  ['an object is missing', [config, secret, pod]],
  ['a selector is another', [config, secret, { ...service, spec: { selector: { cluster: 'else' } } }, pod]],
  ['the record is not as far', [...children(other, 'Forming').slice(0, 1), secret, service, pod]],
  ['a Service lost its address', [config, secret, { ...service, spec: { clusterIP: 'None' } }, pod]],
  [
    'an object is going',
    [config, secret, service, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'now' } }],
  ],
])('it is seen that %s', (_what, found) => {
  expect(comparable(itself(other), found)).not.toEqual(want);
});
