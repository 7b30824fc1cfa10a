// SPDX-License-Identifier: Apache-2.0
// The chart as helm renders it and as the real API server takes it.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { findHelm } from '../../scripts/lib/tools.ts';
import { aggregated, type Grant, grants, type Scope } from '../../scripts/rbac.ts';
import { FILES, ROOT } from '../testbed/config.ts';
import { apply, kubectlResult } from '../testbed/kubectl.ts';
import { run } from '../testbed/run.ts';

const namespace = `chart-${randomBytes(3).toString('hex')}`;

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

interface Rendered {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  rules?: Rule[];
  roleRef?: { kind: string; name: string };
  subjects?: object[];
  spec?: { template?: { spec: { containers: { args: string[]; env: { name: string; value?: string }[] }[] } } };
}

async function helm(values: object, release = 'quorate'): Promise<string> {
  const args = ['template', release, path.join(ROOT, 'charts/quorate'), '--namespace', namespace, '--values', '-'];
  return (await run(await findHelm(), args, { input: JSON.stringify(values) })).stdout;
}

async function render(values: object): Promise<Rendered[]> {
  return parseAllDocuments(await helm(values)).map((document): Rendered => document.toJS());
}

const ofKind = (objects: Rendered[], kind: string) => objects.filter((object) => object.kind === kind);
const confined = { watch: { scope: 'Namespaces', namespaces: ['shop', 'billing'] } };

const dryRun = (input: string) =>
  kubectlResult(['create', '--dry-run=server', '--validate=strict', '-o', 'name', '-f', '-'], {
    input,
    allowFailure: true,
  });

describe('values', () => {
  it.each([
    ['an unknown key', { replicas: 2 }, 'replicas'],
    ['an unknown key further down', { watch: { scope: 'Cluster', namespace: 'a' } }, 'namespace'],
    ['a number that is a word', { replicaCount: 'two' }, 'replicaCount'],
    ['an unknown scope', { watch: { scope: 'All' } }, 'scope'],
    ['a namespace that cannot exist', { watch: { scope: 'Namespaces', namespaces: ['Shop'] } }, 'namespaces'],
    ['confinement to nothing', { watch: { scope: 'Namespaces', namespaces: [] } }, 'watch.namespaces'],
    ['namespaces that would be ignored', { watch: { namespaces: ['shop'] } }, 'watch.namespaces'],
    ['an unknown log level', { logLevel: 'loud' }, 'logLevel'],
    ['a digest that is none', { image: { digest: 'latest' } }, 'digest'],
    ['no account at all', { serviceAccount: { create: false } }, 'serviceAccount.name'],
  ])('%s is refused by name', async (_, values, named) => {
    await expect(helm(values)).rejects.toThrow(named);
  });

  it('render to the same bytes each time', async () => {
    expect(await helm(confined)).toBe(await helm(confined));
  });
});

describe('two releases', () => {
  it('in one namespace elect their leaders apart', async () => {
    const leases = (text: string) => text.match(/--lease-name=.*/g);
    expect(leases(await helm({}))).toEqual(['--lease-name=quorate']);
    expect(leases(await helm({}, 'other'))).toEqual(['--lease-name=other-quorate']);
  });
});

describe('labels', () => {
  it('are on every object, and never twice, even if one of ours is asked for', async () => {
    // The parser refuses a key that is there twice.
    const asked = { 'app.kubernetes.io/name': 'other', 'helm.sh/chart': 'other', team: 'shop' };
    for (const { kind, metadata } of await render({ commonLabels: asked })) {
      const labels = metadata.labels ?? {};
      if (kind === 'CustomResourceDefinition' && labels['team'] === undefined) continue;
      expect([kind, labels['team'], labels['app.kubernetes.io/name']]).toEqual([kind, 'shop', 'quorate']);
    }
  });
});

describe('scope', () => {
  it('of the whole cluster gives one ClusterRole and no list of namespaces', async () => {
    const objects = await render({});
    expect(ofKind(objects, 'ClusterRoleBinding')).toHaveLength(1);
    expect(ofKind(objects, 'Role').map(({ metadata }) => metadata.name)).toEqual(['quorate-leader']);
    expect(JSON.stringify(ofKind(objects, 'Deployment'))).not.toContain('--namespaces');
  });

  it('of namespaces gives a Role in each and binds nothing cluster-wide', async () => {
    const objects = await render(confined);
    expect(ofKind(objects, 'ClusterRoleBinding')).toEqual([]);
    const roles = ofKind(objects, 'Role').filter(({ metadata }) => metadata.name === 'quorate');
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(['shop', 'billing']);
    expect(ofKind(objects, 'Deployment')[0]?.spec?.template?.spec.containers[0]?.args).toContain(
      '--namespaces=shop,billing',
    );
  });

  it.each([
    ['the whole cluster', {}],
    ['namespaces', confined],
  ])('of %s never lets anybody list Secrets', async (_, values) => {
    const rules = (await render(values)).flatMap((object) => object.rules ?? []);
    const secrets = rules.filter((rule) => rule.resources.includes('secrets'));
    expect(secrets).not.toHaveLength(0);
    for (const { verbs } of secrets) expect(verbs.toSorted()).toEqual(['create', 'delete', 'get', 'update']);
    expect(rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs])).not.toContain('*');
  });
});

const rulesOf = (list: Pick<Grant, 'group' | 'resources' | 'verbs'>[]) =>
  list.map(({ group, resources, verbs }) => ({ apiGroups: [group], resources, verbs }));
const granted = (scope: Scope) => rulesOf(grants.filter((grant) => grant.scope === scope));
const refOf = ({ kind, metadata }: Rendered) => [kind, metadata.namespace, metadata.name].filter(Boolean).join(' ');
/** Everything in a role besides what every object has, and which built-in roles take it over. */
function roleOf({ apiVersion: _, kind, metadata, ...content }: Rendered & { apiVersion?: string }) {
  const labels = Object.keys(metadata.labels ?? {}).filter((label) => label.includes('rbac.authorization.k8s.io/'));
  return [refOf({ kind, metadata }), { ...content, into: labels.map((label) => label.split('-to-')[1]) }] as const;
}

describe('roles', () => {
  const watched = { rules: granted('watched'), into: [] };
  const leader = { [`Role ${namespace} quorate-leader`]: { rules: granted('own'), into: [] } };
  const people = {
    'ClusterRole quorate-view': { rules: rulesOf(aggregated.view), into: ['view', 'edit', 'admin'] },
    'ClusterRole quorate-edit': { rules: rulesOf(aggregated.edit), into: ['edit', 'admin'] },
  };
  const clusterWide = { 'ClusterRole quorate': watched, ...leader };
  it.each<[string, object, object]>([
    ['the whole cluster', {}, { ...clusterWide, ...people }],
    ['namespaces', confined, { 'Role shop quorate': watched, 'Role billing quorate': watched, ...leader, ...people }],
    ['the operator alone', { rbac: { aggregateClusterRoles: false } }, clusterWide],
    ['nobody', { rbac: { create: false } }, {}],
  ])('for %s grant what the table of grants says, and nothing else', async (_, values, expected) => {
    const roles = (await render(values)).filter(({ kind }) => kind.endsWith('Role'));
    expect(Object.fromEntries(roles.map(roleOf))).toEqual(expected);
    expect(roles).toHaveLength(Object.keys(expected).length);
  });

  it.each<[string, object, string[]]>([
    ['the whole cluster', {}, ['ClusterRole quorate', `Role ${namespace} quorate-leader`]],
    ['namespaces', confined, ['Role billing quorate', `Role ${namespace} quorate-leader`, 'Role shop quorate']],
  ])('for %s are bound to the operator, and to nobody else', async (_, values, expected) => {
    const bindings = (await render(values)).filter(({ kind }) => kind.endsWith('RoleBinding'));
    const bound = bindings.map(({ kind, metadata, roleRef }) => {
      expect(kind).toBe(`${roleRef?.kind}Binding`);
      return refOf({ kind: roleRef?.kind ?? '', metadata: { ...metadata, name: roleRef?.name ?? '' } });
    });
    expect(bound.toSorted()).toEqual(expected);
    for (const { subjects } of bindings)
      expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'quorate', namespace }]);
  });
});

describe('the network policy of the operator', () => {
  const matchLabels = { 'app.kubernetes.io/name': 'quorate', 'app.kubernetes.io/instance': 'quorate' };
  const ports = [{ port: 8081, protocol: 'TCP' }];
  const tcp = (...list: number[]) => list.map((port) => ({ port, protocol: 'TCP' }));
  const specs = async (networkPolicy: object) =>
    ofKind(await render({ networkPolicy }), 'NetworkPolicy').map(({ spec }): unknown => spec);

  it('opens nothing but the port of metrics and probes, to those that are named', async () => {
    const base = { podSelector: { matchLabels }, policyTypes: ['Ingress'] };
    const metricsFrom = [{ namespaceSelector: { matchLabels: { team: 'monitoring' } } }];
    expect(await specs({})).toEqual([{ ...base, ingress: [{ ports }] }]);
    expect(await specs({ metricsFrom })).toEqual([{ ...base, ingress: [{ ports, from: metricsFrom }] }]);
    expect(await specs({ enabled: false })).toEqual([]);
  });

  it('lets it out, if that is to be restricted, to DNS, the API server and members only', async () => {
    const members = { 'app.kubernetes.io/name': 'etcd', 'app.kubernetes.io/managed-by': 'quorate' };
    const egress = [
      { ports: [{ port: 53, protocol: 'UDP' }, ...tcp(53)] },
      { ports: tcp(443, 7443) },
      { to: [{ namespaceSelector: {}, podSelector: { matchLabels: members } }], ports: tcp(2379, 2381) },
    ];
    expect(await specs({ egress: { enabled: true, apiServerPorts: [443, 7443] } })).toEqual([
      { podSelector: { matchLabels }, policyTypes: ['Ingress', 'Egress'], ingress: [{ ports }], egress },
    ]);
  });
});

describe('options', () => {
  it('a disruption budget comes with the second replica', async () => {
    expect(ofKind(await render({ replicaCount: 1 }), 'PodDisruptionBudget')).toEqual([]);
    expect(ofKind(await render({ replicaCount: 2 }), 'PodDisruptionBudget')).toHaveLength(1);
  });

  it('CRDs stay when the release goes, unless told otherwise', async () => {
    expect(await helm({})).toContain('helm.sh/resource-policy: keep');
    expect(await helm({ crds: { keep: false } })).not.toContain('helm.sh/resource-policy');
    expect(ofKind(await render({ crds: { enabled: false } }), 'CustomResourceDefinition')).toEqual([]);
  });

  it('the name label that network policies of clusters rely on cannot be changed by labels of the user', async () => {
    const text = await helm({ podLabels: { 'app.kubernetes.io/name': 'other' }, commonLabels: { team: 'data' } });
    expect(text).not.toContain('app.kubernetes.io/name: other');
  });

  it('the environment of a pod can send the operator elsewhere', async () => {
    const extraEnv = [{ name: 'KUBERNETES_SERVICE_HOST', value: '198.18.16.6' }];
    const [deployment] = ofKind(await render({ extraEnv }), 'Deployment');
    expect(deployment?.spec?.template?.spec.containers[0]?.env).toContainEqual(extraEnv[0]);
  });
});

describe('the API server', () => {
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }]);
  });
  afterAll(async () => {
    await kubectlResult(['delete', 'namespace', namespace, '--wait=false']);
  });

  it('takes every object of the chart, with all options on', async () => {
    const values = { crds: { enabled: false }, replicaCount: 2, networkPolicy: { egress: { enabled: true } } };
    const { stdout, stderr } = await dryRun(await helm(values, 'trial'));
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toHaveLength((await render(values)).length);
  });

  it('takes the first cluster of the notes, as they can be pasted into a shell', async () => {
    const chart = path.join(ROOT, 'charts/quorate');
    const args = ['install', 'trial', chart, '--namespace', namespace, '--dry-run=client', '--kubeconfig'];
    const { stdout: notes } = await run(await findHelm(), [...args, FILES.kubeconfig]);
    const [, cluster = ''] = /^kubectl apply -f - <<END\n([^]*?)^END$/m.exec(notes) ?? [];
    const { stdout } = await kubectlResult(
      ['apply', '--namespace', namespace, '--dry-run=server', '-o', 'name', '-f', '-'],
      {
        input: cluster,
      },
    );
    expect(stdout.trim()).toBe('etcdcluster.etcd.quorate.dev/orders');
  });

  it('takes the one file for the whole cluster as it stands', async () => {
    const file = path.join(ROOT, 'deploy/install.yaml');
    const objects = parseAllDocuments(await readFile(file, 'utf8')).filter((document) => document.contents !== null);
    const take = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-o', 'name'];
    const { stdout } = await kubectlResult([...take, '-f', file]);
    expect(stdout.trim().split('\n')).toHaveLength(objects.length);
    expect(stdout).toContain('clusterrolebinding');
  });

  it('lets the operator pod into a namespace that enforces the restricted standard', async () => {
    const [deployment] = ofKind(await render({}), 'Deployment');
    // The account is not there in a dry run, and the admission would ask for it first.
    const spec = { ...deployment?.spec?.template?.spec, serviceAccountName: 'default' };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'trial', namespace }, spec };
    const { stdout, stderr } = await dryRun(JSON.stringify(pod));
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: 'pod/trial', stderr: '' });
  });
});
