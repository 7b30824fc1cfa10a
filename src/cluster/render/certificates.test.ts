// SPDX-License-Identifier: Apache-2.0
// Which Secrets with certificates a cluster needs, and what each of them attests: no client before the cluster is formed.
import { describe, expect, it } from 'vitest';
import type { EffectiveCluster } from '../../api/cluster.ts';
import { allSealed, cluster, identity, spec } from '../fixtures.ts';
import type { Identity } from '../identity.ts';
import { certificateNeeds, renderSecret, secretText } from './certificates.ts';
import { renderMemberFiles } from './memberfile.ts';

const store = { s3: { bucket: 'b', credentialsSecret: { name: 's3' } } };
const withClients = (clientCertificates: object[], more: object = {}) =>
  ({ ...spec, tls: { clientCertificates }, ...more }) as EffectiveCluster;

function needs(record: Identity, wanted = withClients([{ name: 'app' }], { backup: { store } })) {
  const files = renderMemberFiles(record, 'shop');
  const all = certificateNeeds(cluster, wanted, record, files);
  return { files, all, of: (name: string) => all.find((n) => n.name === name) };
}

describe('the Secrets of a cluster', () => {
  const inside = ['orders-tls-peer', 'orders-tls-server', 'orders-tls-operator'];
  it('are those inside it until it is formed', () => {
    expect(needs(allSealed).all.map((n) => n.name)).toEqual(inside);
  });

  it('are those of its clients too once it is, and of backups if there are any', () => {
    expect(needs(identity).all.map((n) => n.name)).toEqual([...inside, 'orders-tls-backup', 'orders-client-app']);
    expect(needs(identity, withClients([])).all.map((n) => n.name)).toEqual(inside);
  });

  it('differ in what they may be used for: a member dials with a leaf that has no names', () => {
    const { of } = needs(identity);
    expect(of('orders-tls-peer')).toMatchObject({
      side: 'peer',
      leaves: [
        { keys: ['tls.crt', 'tls.key'], usages: ['server', 'client'] },
        { keys: ['dial.crt', 'dial.key'], usages: ['client'], dnsNames: [] },
      ],
    });
    expect(of('orders-tls-server')?.leaves).toMatchObject([{ usages: ['server'], ipAddresses: ['127.0.0.1'] }]);
    for (const name of ['orders-tls-operator', 'orders-tls-backup', 'orders-client-app'])
      expect(of(name), name).toMatchObject({ side: 'client', leaves: [{ usages: ['client'], dnsNames: [] }] });
  });

  it('of the members hold their files, and vouch for each', () => {
    const { files, of } = needs(allSealed);
    const server = of('orders-tls-server');
    expect(server?.extra).toEqual(files.files);
    expect(server?.leaves[0]?.uris?.toSorted()).toEqual(Object.values(files.proofs).toSorted());
    expect(server?.leaves[0]?.dnsNames).toEqual(
      expect.arrayContaining(['orders-0.shop.svc', 'orders-8.shop.svc', 'orders-client.shop.svc', 'localhost']),
    );
  });

  it('of clients say who they are and where the members are', () => {
    const { of } = needs(
      identity,
      withClients([{ name: 'app' }, { name: 'ops', commonName: 'root', organization: 'admins' }]),
    );
    const endpoints = [0, 1, 2].map((i) => `https://orders-${i}.shop.svc:2379`).join(',');
    expect(of('orders-client-app')).toMatchObject({
      client: 'app',
      extra: { endpoints },
      leaves: [{ commonName: 'app' }],
    });
    expect(of('orders-client-app')?.leaves[0]).not.toHaveProperty('organization');
    expect(of('orders-client-ops')?.leaves).toMatchObject([{ commonName: 'root', organization: 'admins' }]);
  });

  it('hold what they need and nothing else', () => {
    const need = needs(identity).of('orders-tls-peer');
    if (need === undefined) throw new Error('members have peers');
    const leaves = ['a', 'b'].map((name) => ({ cert: `${name}-cert`, key: `${name}-key` }));
    const secret = renderSecret(cluster, { ...need, extra: { more: 'm' } }, 'ca', leaves);
    expect(secret.metadata.ownerReferences).toMatchObject([{ uid: cluster.metadata.uid, controller: true }]);
    const texts = Object.keys(secret.data ?? {}).map((key) => [key, secretText(secret, key)]);
    expect(Object.fromEntries(texts)).toEqual({
      'ca.crt': 'ca',
      'tls.crt': 'a-cert',
      'tls.key': 'a-key',
      'dial.crt': 'b-cert',
      'dial.key': 'b-key',
      more: 'm',
    });
    expect(secretText(secret, 'absent')).toBeUndefined();
  });
});
