// SPDX-License-Identifier: Apache-2.0
// What an attacker would try: ports, keys, other namespaces, and secrets that leak.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdBackups, etcdClusters } from '../../src/api/resources.ts';
import { configMaps, pods, type Secret, secrets, statefulSets } from '../../src/runtime/resources.ts';
import { audit, auditMark } from '../testbed/audit.ts';
import { FILES } from '../testbed/config.ts';
import { kubectl, kubectlResult } from '../testbed/kubectl.ts';
import { RECORDER } from '../testbed/recorder/container.ts';
import { objectStore } from '../testbed/s3.ts';
import { ensureSettings } from '../testbed/settings.ts';
import { cluster, memberFile, waitAvailable } from './harness/cluster.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';
import { objectsOf, processesOfJobs } from './security/traces.ts';

const suite = useOperator({ namespaces: 2, logLevel: 'trace' });
const space = () => suite.namespaces[0] ?? '';
const of = (name: string) => `etcd.quorate.dev/cluster=${name}`;
const text = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString();

/** Everything of a namespace that is not a Secret, everything that the operator said, and the audit log since a mark. */
async function readable(object: EtcdCluster, since: number): Promise<string> {
  const kinds = 'etcdclusters,etcdbackups,configmaps,pods,statefulsets,jobs,services,persistentvolumeclaims,events';
  const objects = await kubectlResult(['-n', object.metadata.namespace ?? '', 'get', kinds, '-o', 'json']);
  const podLogs = await Promise.all(
    (await suite.kube.list(pods, object.metadata.namespace)).map(async ({ metadata: { namespace = '', name } }) => {
      const log = await suite.kube.logs(namespace, name, { tailLines: 5000 }).catch(() => '');
      return `--- ${name}\n${log}`;
    }),
  );
  const operators = await suite.operator.pods();
  const metrics = await Promise.all(
    operators.map(({ metadata: { namespace, name } }) =>
      kubectl('get', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}:8081/proxy/metrics`),
    ),
  );
  expect(metrics.join('')).toContain('quorate_reconcile_total');
  const auditLog = await readFile(path.join(FILES.logs, 'control-plane', 'audit.log'));
  const audited = auditLog.subarray(since).toString();
  expect(audited).toContain(object.metadata.name);
  return [objects.stdout, await suite.operator.logs(20_000), ...podLogs, ...metrics, audited].join('\n');
}

/** Each private key in a Secret: where it is, a line from its middle, and the same part as the Secret's data have it. */
const privateKeys = ({ metadata, data = {} }: Secret): string[][] =>
  Object.entries(data)
    .filter(([, value]) => text(value).includes('PRIVATE KEY'))
    .map(([key, value]) => {
      const lines = text(value).split('\n');
      const half = value.length >> 1;
      return [`${metadata.name}/${key}`, lines[lines.length >> 1] ?? '', value.slice(half, half + 40)];
    });

describe('security', () => {
  test('CIS 2.1–2.7: every member has certificates of its own authorities and demands them, on both ports', async () => {
    const object = await suite.available(cluster(space(), 'cis', { replicas: 3 }), 120_000);
    const conf = await suite.kube.get(secrets, { namespace: space(), name: 'cis-tls-server' });
    const peer = await suite.kube.get(secrets, { namespace: space(), name: 'cis-tls-peer' });
    for (let i = 0; i < 3; i += 1) {
      const file = memberFile(conf, `cis-${i}`);
      for (const side of ['client', 'peer'])
        expect(file[`${side}-transport-security`]).toMatchObject({
          'client-cert-auth': true,
          'trusted-ca-file': expect.stringMatching(/ca\.crt$/) as string,
        });
      expect(file['tls-min-version']).toBe('TLS1.2');
      expect(text(conf.data?.[`cis-${i}.yaml`])).not.toMatch(
        /auto-tls|allowed-cn|enable-pprof|http:\/\/(?!0\.0\.0\.0:2381)/,
      );
    }
    expect(text(conf.data?.['ca.crt'])).not.toBe(text(peer.data?.['ca.crt']));
    const [pod] = await suite.kube.list(pods, space(), of('cis'));
    for (const port of [2379, 2380]) {
      // At this level the client itself offers old versions and weak ciphers: a refusal is the member's.
      const greet = (version: string, cipher = 'DEFAULT') =>
        suite.environment.exec(RECORDER, [
          'sh',
          '-c',
          `echo | timeout 5 openssl s_client -connect ${pod?.status?.podIP}:${port} -${version} -cipher ${cipher}@SECLEVEL=0 2>&1; true`,
        ]);
      expect(await greet('tls1_1'), `TLS 1.1 on ${port}`).toMatch(/alert protocol version[^]*Cipher is \(NONE\)/);
      for (const weak of ['ECDHE-RSA-AES128-SHA', 'ECDHE-RSA-AES256-SHA', 'AES128-GCM-SHA256', 'AES128-SHA'])
        expect(await greet('tls1_2', weak), `${weak} on ${port}`).toMatch(
          /alert handshake failure[^]*Cipher is \(NONE\)/,
        );
      for (const strong of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'])
        expect(await greet('tls1_2', strong), `control: ${strong} on ${port}`).toContain(
          `New, TLSv1.2, Cipher is ${strong}`,
        );
    }
    await suite.dismiss(object);
  });

  test('a pod sees its own leaf keys only: no authority, no token, nothing writable but its data', async () => {
    await suite.available(cluster(space(), 'pods'), 120_000);
    const [set] = await suite.kube.list(statefulSets, space(), of('pods'));
    const spec = set?.spec?.template.spec;
    expect(spec?.volumes?.map((v) => v.secret?.secretName)).toEqual(['pods-tls-server', 'pods-tls-peer']);
    expect(spec?.automountServiceAccountToken).toBe(false);
    const authority = await Promise.all(
      ['pods-ca-peer', 'pods-ca-client'].map(
        async (ca) => (await suite.kube.get(secrets, { namespace: space(), name: ca })).data?.['tls.key'],
      ),
    );
    for (const key of authority) expect(text(key)).toContain('PRIVATE KEY');
    for (const name of ['pods-tls-server', 'pods-tls-peer', 'pods-tls-operator', 'pods-client-e2e']) {
      const { data = {} } = await suite.kube.get(secrets, { namespace: space(), name });
      expect(text(data['tls.key']), name).toContain('PRIVATE KEY');
      expect(
        Object.values(data).filter((value) => authority.includes(value)),
        name,
      ).toEqual([]);
    }
    const configs = await suite.kube.list(configMaps, space(), of('pods'));
    expect(configs.map(({ metadata }) => metadata.name)).toEqual(['pods-config']);
    expect(JSON.stringify(configs)).not.toContain('PRIVATE KEY');
  });

  test('data and keys are not for other users of the node, and no member logs for debugging', async () => {
    const { namespace, name } = (await suite.available(cluster(space(), 'modes'), 120_000)).metadata;
    const [pod] = await suite.kube.list(pods, namespace, of(name));
    const container = pod?.status?.containerStatuses?.[0]?.containerID?.split('//')[1];
    const script = `for p in /proc/[0-9]*; do grep -q ${container} $p/cgroup && root=$p/root; done 2>/dev/null
      find $root/var/lib/etcd -mindepth 2 -maxdepth 2 -exec stat -c 'data %a %u' {} +
      find $root/etc/etcd/*/ -maxdepth 1 '(' -name '*.key' -o -name '*.yaml' ')' -exec stat -L -c '%n %a %u %g' {} + | sed 's#.*/##'`;
    const seen = (await suite.environment.exec(pod?.spec?.nodeName ?? '', ['sh', '-c', script])).trim().split('\n');
    // The set-group-id bit comes from the volume; nobody but the member's user may do anything.
    expect(seen.filter((line) => line.startsWith('data '))).toEqual([expect.stringMatching(/^data 2?700 65532$/)]);
    expect(seen.filter((line) => !line.startsWith('data ')).toSorted()).toEqual(
      ['dial.key', 'modes-0.yaml', 'tls.key', 'tls.key'].map((file) => `${file} 440 0 65532`),
    );
    const conf = await suite.kube.get(secrets, { namespace: space(), name: 'modes-tls-server' });
    expect(memberFile(conf, 'modes-0')['log-level']).toBe('info');
  });

  test('a pod that the restricted standard forbids is refused where members, Jobs and the operator run', async () => {
    for (const namespace of [space(), suite.operator.namespace]) {
      const lax = { metadata: { name: 'lax', namespace }, spec: { containers: [{ name: 'lax', image: 'x' }] } };
      await expect(suite.kube.create(pods, lax), namespace).rejects.toThrow(
        /violates PodSecurity "restricted:latest": allowPrivilegeEscalation.*capabilities.*runAsNonRoot.*seccompProfile/,
      );
    }
  });

  test('a Secret of another namespace cannot be named, and nothing of it is ever read', async () => {
    const [mine = '', theirs = ''] = suite.namespaces;
    const planted = 'planted-77b1d9c04e52-content';
    await suite.kube.create(secrets, {
      metadata: { name: 'theirs', namespace: theirs },
      stringData: { accessKeyId: 'planted-id-31f7', secretAccessKey: planted },
    });
    const naming = (name: string, ref: object = {}) => {
      const s3 = { bucket: 'no-such-bucket', endpoint: 'http://s3.testbed.svc:7070' };
      const store = { s3: { ...s3, credentialsSecret: { name, ...ref } } };
      return cluster(mine, 'thief', { backup: { store } });
    };
    const since = await auditMark();
    for (const name of [`${theirs}/theirs`, `../${theirs}/theirs`, '../theirs', `%2e%2e%2ftheirs`, 'theirs\n']) {
      await expect(suite.kube.apply(naming(name)), name).rejects.toThrow('spec.backup.store.s3.credentialsSecret.name');
    }
    await expect(suite.kube.apply(naming('theirs', { namespace: theirs }))).rejects.toThrow(
      'credentialsSecret.namespace',
    );
    // A dotted name is a lawful one, and means a Secret of this namespace.
    const fqdn = `theirs.${theirs}.svc.cluster.local`;
    const object = await suite.available(naming(fqdn), 120_000);
    await suite.kube.create(etcdBackups, {
      metadata: { namespace: mine, name: 'stolen' },
      spec: { clusterName: 'thief' },
    });
    const told = await until('the backup says that its Secret is missing', {
      within: 30_000,
      read: () => suite.kube.get(etcdBackups, { namespace: mine, name: 'stolen' }),
      holds: (b) => b.status?.conditions?.some((c) => c.status === 'False' && c.message.includes(fqdn)) === true,
    });
    expect(told.status?.conditions?.find((c) => c.type === 'Ready')?.message).not.toContain(planted);
    const said = await readable(object, since);
    expect(said).toContain('stolen');
    for (const secret of [planted, 'planted-id-31f7'])
      for (const form of [secret, Buffer.from(secret).toString('base64').slice(0, 20)])
        expect(said).not.toContain(form);
    const account = new RegExp(`:${suite.operator.namespace}:`);
    const reads = await audit({ since, user: account, resource: 'secrets', namespace: theirs, name: 'theirs' });
    expect(reads).toEqual([]);
    expect(
      (await audit({ since, user: account, resource: 'secrets', namespace: mine, name: fqdn })).length,
    ).toBeGreaterThan(0);
    await suite.dismiss(object);
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
    // Not only what the API server says that it would answer. The operator does not watch the namespace that it runs in.
    const unwatched = suite.operator.namespace;
    for (const namespace of [space(), unwatched])
      await suite.kube.create(secrets, { metadata: { name: 'planted', namespace }, stringData: { a: 'b' } });
    const get = (...args: string[]) => kubectlResult(['get', ...args, '--as', account], { allowFailure: true });
    expect((await get('secret', 'planted', '-n', space(), '-o', 'name')).stdout.trim()).toBe('secret/planted');
    for (const args of [
      ['secret', 'planted', '-n', unwatched],
      ['secrets', '-n', unwatched],
      ['secrets', '-n', space()],
    ]) {
      const forbidden = expect.stringContaining('Error from server (Forbidden)');
      expect(await get(...args), args.join(' ')).toMatchObject({ stdout: '', stderr: forbidden });
    }
  });

  test('keys and credentials are nowhere but in Secrets: not in logs, Events, status, metrics, objects of the store, arguments or environment', async () => {
    const since = await auditMark();
    const canary = 'canary-8f3a1c90d2e7-secret';
    const namespace = suite.namespaces[1] ?? '';
    const real = objectStore(await ensureSettings());
    const prefix = `e2e/${suite.operator.release}`;
    const secret = (name: string, accessKeyId: string, secretAccessKey: string) =>
      suite.kube.create(secrets, { metadata: { name, namespace }, stringData: { accessKeyId, secretAccessKey } });
    await Promise.all([
      secret('store', 'canary-id-55aa', canary),
      secret('real', real.accessKeyId, real.secretAccessKey),
    ]);
    const s3 = { endpoint: real.endpointInCluster, region: real.region, prefix };
    const store = (bucket: string, name: string) => ({ s3: { ...s3, bucket, credentialsSecret: { name } } });
    const policy = { backup: { store: store('no-such-bucket', 'store') } } as Partial<EtcdCluster['spec']>;
    const object = await suite.available(cluster(namespace, 'canary', policy), 120_000);
    const backUp = async (name: string, type: string): Promise<void> => {
      await suite.kube.create(etcdBackups, { metadata: { namespace, name }, spec: { clusterName: 'canary' } });
      await until(`${name} is ${type}`, {
        within: 120_000,
        read: () => suite.kube.get(etcdBackups, { namespace, name }),
        holds: (b) => b.status?.conditions?.some((c) => c.type === type && c.status === 'True') === true,
      });
    };
    await backUp('b1', 'Stalled');
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { backup: { store: store(real.bucket, 'real') } } });
    await waitAvailable(suite.kube, namespace, 'canary');
    const processes = processesOfJobs(suite.environment, 'b2');
    await backUp('b2', 'Ready');
    const ran = await processes;
    expect(ran, 'the process of the Job').toMatch(/^HOSTNAME=b2-/m);
    const stored = await objectsOf(real, `${prefix}/${namespace}/`);
    expect(stored).toContain('sha256');
    const said = [await readable(object, since), ran, stored].join('\n');
    for (const job of ['b1', 'b2']) expect(said, 'the log of its Job').toMatch(new RegExp(`^--- ${job}-.*\n\\{`, 'm'));
    const base64 = (value: string) => Buffer.from(value).toString('base64').slice(0, 20);
    const planted = [canary, 'canary-id-55aa', real.secretAccessKey].map((value) => ['planted', value, base64(value)]);
    const keys = (await suite.kube.list(secrets, namespace)).flatMap(privateKeys);
    const parts = ['ca-client', 'ca-peer', 'client-e2e', 'tls-backup', 'tls-operator', 'tls-peer', 'tls-server'];
    const files = [...parts.map((part) => `canary-${part}/tls.key`), 'canary-tls-peer/dial.key'];
    expect(keys.map(([from]) => from)).toEqual(expect.arrayContaining(files));
    for (const [from, ...forms] of [...planted, ...keys]) {
      for (const form of forms) {
        expect(form.length).toBeGreaterThan(10);
        expect(said.includes(form), `found of ${from}: ${form.slice(0, 12)}…`).toBe(false);
      }
    }
  });
});
