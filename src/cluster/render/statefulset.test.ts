// SPDX-License-Identifier: Apache-2.0
// What every member pod promises: probes that do not lie, spread, restricted rights, a graceful end.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import { effectiveSpec } from '../../api/effective.ts';
import { drift } from '../drift.ts';
import { formationOf } from '../formation.ts';
import { drawIdentity } from '../identity.ts';
import { renderClaims, renderStatefulSet } from './statefulset.ts';

const members = { 'etcd.quorate.dev/cluster': 'orders', 'app.kubernetes.io/component': 'member' };

function rendered(spec: Partial<EtcdCluster['spec']> = {}) {
  const cluster = {
    metadata: { name: 'orders', namespace: 'shop', uid: 'u1' },
    spec: { replicas: 3, version: '3.6.16', storage: { size: '1Gi' }, ...spec },
  } as EtcdCluster;
  const made = effectiveSpec(cluster);
  if (!made.ok) throw new Error(`${made.field}: ${made.message}`);
  const identity = drawIdentity('orders', formationOf(made.spec));
  const { desired, closed } = renderStatefulSet(cluster, identity);
  const set = desired.spec;
  const pod = set?.template.spec;
  return {
    identity,
    closed,
    set,
    pod,
    etcd: pod?.containers[0],
    claims: renderClaims(cluster, identity).map((c) => c.desired),
  };
}

const { set, pod, etcd, claims, identity, closed } = rendered();
const seconds = (p: { periodSeconds?: number; failureThreshold?: number } | undefined) =>
  (p?.periodSeconds ?? 0) * (p?.failureThreshold ?? 0);

describe('probes', () => {
  it('ask the metrics listener over plain http, where no certificate can be in the way', () => {
    for (const p of [etcd?.startupProbe, etcd?.livenessProbe, etcd?.readinessProbe])
      expect(p?.httpGet).toMatchObject({ port: 2381, scheme: 'HTTP' });
  });

  it('liveness never needs a quorum: /livez does not read, and it is patient', () => {
    expect(etcd?.livenessProbe?.httpGet?.path).toBe('/livez');
    expect(seconds(etcd?.livenessProbe)).toBeGreaterThanOrEqual(60);
  });

  it('readiness is serializable: without a quorum, and with another member’s alarm, a member stays ready', () => {
    const url = new URL(etcd?.readinessProbe?.httpGet?.path ?? '', 'http://member');
    expect(url.pathname).toBe('/readyz');
    expect(url.searchParams.getAll('exclude').toSorted()).toEqual(['data_corruption', 'linearizable_read']);
  });

  it('startup leaves an hour to replay a log, and notices the start within a second', () => {
    expect(etcd?.startupProbe).toMatchObject({ httpGet: { path: '/livez' }, periodSeconds: 1 });
    expect(seconds(etcd?.startupProbe)).toBeGreaterThanOrEqual(3600);
  });
});

describe('placement', () => {
  it('members prefer different nodes and zones, and never insist: seven fit on three nodes', () => {
    const anti = pod?.affinity?.podAntiAffinity;
    expect(anti?.requiredDuringSchedulingIgnoredDuringExecution).toBeUndefined();
    const [term] = anti?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    expect(term?.podAffinityTerm).toEqual({
      labelSelector: { matchLabels: members },
      topologyKey: 'kubernetes.io/hostname',
    });
    expect(pod?.topologySpreadConstraints).toEqual([
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: members },
      },
    ]);
  });

  it('what the user says of placement is taken', () => {
    const pods = {
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'etcd', operator: 'Exists' as const }],
      priorityClassName: 'high',
      topologySpreadConstraints: [],
    };
    expect(rendered({ pods }).pod).toMatchObject(pods);
  });

  it('a constraint of the user’s counts the members, unless it says what else', () => {
    const zone = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' as const };
    const others = { matchLabels: { app: 'x' } };
    const rack = { ...zone, topologyKey: 'rack', labelSelector: others };
    const constraints = rendered({ pods: { topologySpreadConstraints: [zone, rack] } }).pod?.topologySpreadConstraints;
    expect(constraints?.map((c) => c.labelSelector)).toEqual([{ matchLabels: members }, others]);
  });

  it('the user’s affinity to nodes leaves the spread of members alone', () => {
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } };
    const { affinity } = rendered({ pods: { affinity: { nodeAffinity } } }).pod ?? {};
    expect(affinity).toMatchObject({ nodeAffinity });
    expect(affinity?.podAntiAffinity).toEqual(pod?.affinity?.podAntiAffinity);
  });
});

describe('rights', () => {
  it('the pod is restricted: numeric user, default seccomp, nothing of the node, no token', () => {
    expect(pod).toMatchObject({
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      initContainers: [],
    });
    expect(pod?.securityContext?.runAsUser).toBeGreaterThan(0);
    expect(pod?.securityContext?.fsGroup).toBe(pod?.securityContext?.runAsGroup);
  });

  it('the one container can neither gain rights nor write outside its volume', () => {
    expect(pod?.containers).toHaveLength(1);
    expect(etcd?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(etcd?.volumeMounts?.filter((m) => m.readOnly !== true).map((m) => m.name)).toEqual(['data']);
  });

  it('labels of the user come beside those that the cluster is found by', () => {
    const template = rendered({ pods: { labels: { team: 'payments' } } }).set?.template;
    expect(template?.metadata?.labels).toMatchObject({ ...members, team: 'payments' });
  });
});

describe('the StatefulSet', () => {
  it('starts all members at once, restarts none by itself, and never deletes a claim', () => {
    expect(set).toMatchObject({
      replicas: 3,
      serviceName: 'orders-members',
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: members },
    });
  });

  it('gives a member half a minute to hand over and end', () => {
    expect(pod?.terminationGracePeriodSeconds).toBe(30);
  });

  it('starts etcd with its own file and nothing else, and keeps its last words', () => {
    expect(etcd?.command).toEqual(['etcd', '--config-file=/etc/etcd/conf/$(POD_NAME).yaml']);
    expect(etcd).toMatchObject({ args: [], envFrom: [], lifecycle: {} });
    expect(etcd?.terminationMessagePolicy).toBe('FallbackToLogsOnError');
  });

  it.each<[string, object]>([
    ['args', { args: ['--force-new-cluster'] }],
    ['envFrom', { envFrom: [{ configMapRef: { name: 'else' } }] }],
    ['lifecycle', { lifecycle: { preStop: { exec: { command: ['kill'] } } } }],
    ['securityContext', { securityContext: { ...etcd?.securityContext, runAsUser: 0 } }],
    ['volumeMounts[0].subPath', { volumeMounts: etcd?.volumeMounts?.map((m) => ({ ...m, subPath: 'else' })) }],
    ['livenessProbe.httpGet.host', { livenessProbe: { httpGet: { ...etcd?.livenessProbe?.httpGet, host: 'else' } } }],
  ])('sees an edit of the container: %s', (field, edit) => {
    const live = structuredClone(set);
    Object.assign(live?.template.spec?.containers[0] ?? {}, edit);
    expect(drift({ spec: set }, { spec: live }, closed)).toMatch(`spec.template.spec.containers[0].${field}`);
  });

  it.each<[string, object]>([
    ['hostAliases', { hostAliases: [{ ip: '192.0.2.1', hostnames: ['orders-1.shop.svc'] }] }],
    ['dnsPolicy', { dnsPolicy: 'None' }],
    ['dnsConfig.nameservers', { dnsConfig: { nameservers: ['192.0.2.1'] } }],
    ['shareProcessNamespace', { shareProcessNamespace: true }],
    [
      'volumes[0].secret.items',
      { volumes: pod?.volumes?.map((v) => ({ ...v, secret: { ...v.secret, items: [{ key: 'a', path: 'b' }] } })) },
    ],
  ])('sees an edit of the pod: %s', (field, edit) => {
    const live = structuredClone(set);
    Object.assign(live?.template.spec ?? {}, edit);
    expect(drift({ spec: set }, { spec: live }, closed)).toBe(`spec.template.spec.${field}`);
  });

  it('leaves the options of a policy for DNS alone', () => {
    const live = structuredClone(set);
    Object.assign(live?.template.spec ?? {}, { dnsConfig: { options: [{ name: 'ndots', value: '2' }] } });
    expect(drift({ spec: set }, { spec: live }, closed)).toBeUndefined();
  });

  it('sees an edit of the first ordinal, and none in what the server gives back', () => {
    const { args: _a, envFrom: _e, lifecycle: _l, ...container } = etcd ?? {};
    const template = { ...set?.template, spec: { ...pod, dnsConfig: undefined, containers: [container] } };
    const stored = { ...set, template, ordinals: undefined };
    expect(drift({ spec: set }, { spec: stored }, closed)).toBeUndefined();
    expect(drift({ spec: set }, { spec: { ...stored, ordinals: { start: 3 } } }, closed)).toBe('spec.ordinals.start');
  });

  it('a digest pins the image, else the version names it', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(etcd?.image).toBe('gcr.io/etcd-development/etcd:v3.6.16');
    expect(rendered({ image: { digest } }).etcd?.image).toBe(`gcr.io/etcd-development/etcd@${digest}`);
  });

  it('claims are one per member, say whose data they hold, and have no owner', () => {
    expect(claims.map((c) => c.metadata.name)).toEqual(['data-orders-0', 'data-orders-1', 'data-orders-2']);
    for (const [i, { metadata }] of claims.entries()) {
      expect(metadata.ownerReferences).toBeUndefined();
      expect(metadata.annotations).toMatchObject({
        'etcd.quorate.dev/genesis': identity.genesis,
        'etcd.quorate.dev/incarnation': identity.members[i]?.incarnation,
        'etcd.quorate.dev/replicas': '3',
      });
      expect(metadata.annotations).not.toHaveProperty('etcd.quorate.dev/formed');
    }
  });

  it('claims of a formed cluster say so', () => {
    const formed = renderClaims({ metadata: { name: 'orders' } } as EtcdCluster, { ...identity, phase: 'Formed' });
    expect(formed.map((c) => c.desired.metadata.annotations?.['etcd.quorate.dev/formed'])).toEqual([
      'true',
      'true',
      'true',
    ]);
  });
});
