// SPDX-License-Identifier: Apache-2.0
// What an attacker would try: ports, keys, other namespaces, and secrets that leak.
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdBackups } from '../../src/api/resources.ts';
import { configMaps, pods, secrets, statefulSets } from '../../src/runtime/resources.ts';
import { kubectlResult } from '../testbed/kubectl.ts';
import { RECORDER } from '../testbed/recorder/container.ts';
import { cluster } from './harness/cluster.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 2, logLevel: 'trace' });
const space = () => suite.namespaces[0] ?? '';
const of = (name: string) => `etcd.quorate.dev/cluster=${name}`;
const text = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString();

/** Everything of a namespace that is not a Secret, and everything that the operator said. */
async function readable(object: EtcdCluster): Promise<string> {
  const kinds = 'etcdclusters,etcdbackups,configmaps,pods,statefulsets,jobs,services,persistentvolumeclaims,events';
  const objects = await kubectlResult(['-n', object.metadata.namespace ?? '', 'get', kinds, '-o', 'json']);
  const podLogs = await Promise.all(
    (await suite.kube.list(pods, object.metadata.namespace)).map((p) =>
      suite.kube.logs(p.metadata.namespace ?? '', p.metadata.name, { tailLines: 5000 }).catch(() => ''),
    ),
  );
  return [objects.stdout, await suite.operator.logs(20_000), ...podLogs].join('\n');
}

describe('security', () => {
  test('CIS 2.1–2.7: every member has certificates of its own authorities and demands them, on both ports', async () => {
    const object = await suite.available(cluster(space(), 'cis', { replicas: 3 }), 120_000);
    const conf = await suite.kube.get(secrets, { namespace: space(), name: 'cis-tls-server' });
    const peer = await suite.kube.get(secrets, { namespace: space(), name: 'cis-tls-peer' });
    for (let i = 0; i < 3; i += 1) {
      const file = text(conf.data?.[`cis-${i}.yaml`]);
      expect(file.match(/client-cert-auth: true/g)).toHaveLength(2);
      expect(file.match(/trusted-ca-file:/g)).toHaveLength(2);
      expect(file).toContain('tls-min-version: TLS1.2');
      expect(file).not.toMatch(/auto-tls|allowed-cn|enable-pprof|http:\/\/(?!0\.0\.0\.0:2381)/);
    }
    expect(text(conf.data?.['ca.crt'])).not.toBe(text(peer.data?.['ca.crt']));
    const [pod] = await suite.kube.list(pods, space(), of('cis'));
    for (const port of [2379, 2380]) {
      const script = `echo | timeout 5 openssl s_client -connect ${pod?.status?.podIP}:${port} -tls1_1 2>&1 | grep -c 'Cipher is (NONE)'; true`;
      expect((await suite.environment.exec(RECORDER, ['sh', '-c', script])).trim(), `TLS 1.1 on ${port}`).toBe('1');
    }
    await suite.settle(object);
  });

  test('a pod sees its own leaf keys only: no authority, no token, nothing writable but its data', async () => {
    await suite.available(cluster(space(), 'pods'), 120_000);
    const [set] = await suite.kube.list(statefulSets, space(), of('pods'));
    const spec = set?.spec?.template.spec;
    expect(spec?.volumes?.map((v) => v.secret?.secretName)).toEqual(['pods-tls-server', 'pods-tls-peer']);
    expect(spec?.automountServiceAccountToken).toBe(false);
    for (const name of ['pods-tls-server', 'pods-tls-peer', 'pods-tls-operator', 'pods-client-e2e']) {
      const { data } = await suite.kube.get(secrets, { namespace: space(), name });
      const authority = await Promise.all(
        ['pods-ca-peer', 'pods-ca-client'].map(
          async (ca) => (await suite.kube.get(secrets, { namespace: space(), name: ca })).data?.['tls.key'],
        ),
      );
      expect(
        Object.values(data ?? {}).filter((value) => authority.includes(value)),
        name,
      ).toEqual([]);
    }
    const [config] = await suite.kube.list(configMaps, space(), of('pods'));
    expect(JSON.stringify(config?.data)).not.toContain('PRIVATE KEY');
  });

  test('the operator’s account cannot read Secrets of a namespace that it does not watch, nor list those that it does', async () => {
    const name = (await suite.operator.pods())[0]?.spec?.serviceAccountName;
    expect(name).toContain(suite.operator.release);
    const account = `system:serviceaccount:${suite.operator.namespace}:${name}`;
    const can = async (...args: string[]): Promise<string> =>
      (await kubectlResult(['auth', 'can-i', ...args, '--as', account], { allowFailure: true })).stdout.trim();
    expect(await can('get', 'secrets', '-n', space()), 'control: it may where it watches').toBe('yes');
    expect(await can('get', 'secrets', '-n', 'kube-system')).toBe('no');
    expect(await can('list', 'secrets', '-n', space())).toBe('no');
    expect(await can('watch', 'secrets', '-n', space())).toBe('no');
    expect(await can('create', 'pods/exec', '-n', space())).toBe('no');
    expect(await can('impersonate', 'serviceaccounts', '-n', space())).toBe('no');
    expect(await can('create', 'rolebindings', '-n', space())).toBe('no');
    expect(await can('create', 'etcdclusters', '-n', 'kube-system')).toBe('no');
  });

  test('keys and credentials are nowhere but in Secrets: not in logs, Events, status, arguments or environment', async () => {
    const canary = 'canary-8f3a1c90d2e7-secret';
    const namespace = suite.namespaces[1] ?? '';
    const stringData = { accessKeyId: 'canary-id-55aa', secretAccessKey: canary };
    await suite.kube.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'store', namespace },
      stringData,
    } as never);
    const store = {
      s3: { bucket: 'no-such-bucket', endpoint: 'http://s3.testbed.svc:7070', credentialsSecret: { name: 'store' } },
    };
    const object = await suite.available(cluster(namespace, 'canary', { backup: { store } }), 120_000);
    await suite.kube.create(etcdBackups, { metadata: { namespace, name: 'b1' }, spec: { clusterName: 'canary' } });
    await until('the backup has failed', {
      within: 120_000,
      read: () => suite.kube.get(etcdBackups, { namespace, name: 'b1' }),
      holds: (b) => b.status?.conditions?.some((c) => c.type === 'Stalled' && c.status === 'True') === true,
    });
    const said = await readable(object);
    expect(said).toContain('b1');
    const planted = [canary, 'canary-id-55aa'];
    const keys = await Promise.all(
      ['canary-ca-peer', 'canary-ca-client', 'canary-tls-server', 'canary-tls-operator', 'canary-client-e2e'].map(
        async (name) =>
          text((await suite.kube.get(secrets, { namespace, name })).data?.['tls.key']).split('\n')[5] ?? '',
      ),
    );
    for (const secret of [...planted, ...keys]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(said.includes(secret), `found: ${secret.slice(0, 12)}…`).toBe(false);
      expect(said.includes(Buffer.from(secret).toString('base64').slice(0, 20)), 'found in base64').toBe(false);
    }
  });
});
