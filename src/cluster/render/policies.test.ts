// SPDX-License-Identifier: Apache-2.0
// Who may reach a member on which port, and how many members may be away.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import { effectiveSpec } from '../../api/effective.ts';
import type { NetworkPolicy } from '../../runtime/resources.ts';
import { drift } from '../drift.ts';
import { formationOf } from '../formation.ts';
import { drawIdentity } from '../identity.ts';
import { renderBudget, renderNetworkPolicies } from './policies.ts';

const members = { 'etcd.quorate.dev/cluster': 'orders', 'app.kubernetes.io/component': 'member' };
const member = { podSelector: { matchLabels: members } };
const operator = {
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'quorate-system' } },
  podSelector: { matchLabels: { 'app.kubernetes.io/name': 'quorate' } },
};
const backups = {
  podSelector: { matchLabels: { 'etcd.quorate.dev/cluster': 'orders', 'app.kubernetes.io/component': 'backup' } },
};
type Rule = NonNullable<NonNullable<NetworkPolicy['spec']>['ingress']>[number];

const labelled = { podSelector: { matchLabels: { 'etcd.quorate.dev/client': 'orders' } } };
const outside = { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } };
const shop = { namespaceSelector: { matchLabels: { team: 'shop' } } };

function given(over: Partial<EtcdCluster['spec']> = {}) {
  const cluster = {
    metadata: { name: 'orders', namespace: 'shop', uid: 'u1' },
    spec: { replicas: 3, version: '3.6.16', storage: { size: '1Gi' }, ...over },
  } as EtcdCluster;
  const made = effectiveSpec(cluster);
  if (!made.ok) throw new Error(`${made.field}: ${made.message}`);
  return { cluster, spec: made.spec, identity: drawIdentity('orders', formationOf(made.spec)) };
}

/** Port → who may dial it. */
function doors(over: Partial<EtcdCluster['spec']>) {
  const { cluster, spec } = given(over);
  const rules = renderNetworkPolicies(cluster, spec, 'quorate-system').flatMap((p) => p.desired.spec?.ingress ?? []);
  return Object.fromEntries(rules.map(({ ports, from }) => [ports?.map((p) => p.port).join(), from]));
}

describe('network policies', () => {
  it.each<[string, Partial<EtcdCluster['spec']>, object]>([
    [
      'by default: members, the operator, backups, and pods of the namespace that say whose clients they are',
      {},
      { 2380: [member], 2379: [operator, backups, labelled], 2381: [operator] },
    ],
    [
      'clients that the spec names come instead of the labelled ones, and never to peers or metrics',
      { networkPolicy: { clients: [shop] } },
      { 2380: [member], 2379: [operator, backups, shop], 2381: [operator] },
    ],
    [
      'clients outside are named by their addresses',
      { networkPolicy: { clients: [shop, outside] } },
      { 2380: [member], 2379: [operator, backups, shop, outside], 2381: [operator] },
    ],
    [
      'no clients at all is possible',
      { networkPolicy: { clients: [] } },
      { 2380: [member], 2379: [operator, backups], 2381: [operator] },
    ],
    ['switched off there are none', { networkPolicy: { enabled: false } }, {}],
  ])('%s', (_sentence, over, want) => {
    expect(doors(over)).toEqual(want);
  });

  it('select the members of this cluster, and only what comes in', () => {
    const { cluster, spec } = given();
    for (const { desired } of renderNetworkPolicies(cluster, spec, 'quorate-system'))
      expect(desired.spec).toMatchObject({ podSelector: { matchLabels: members }, policyTypes: ['Ingress'] });
  });

  it.each<[string, (rule: Rule) => void]>([
    ['a namespace selector that lets every namespace in', (rule) => Object.assign(rule.from?.[0] ?? {}, shop)],
    ['the same for all of them', (rule) => Object.assign(rule.from?.[0] ?? {}, { namespaceSelector: {} })],
    ['a range of ports', (rule) => Object.assign(rule.ports?.[0] ?? {}, { endPort: 65_535 })],
    ['an expression', (rule) => Object.assign(rule.from?.[0]?.podSelector ?? {}, { matchExpressions: [{ key: 'a' }] })],
  ])('see an edit: %s', (_sentence, edit) => {
    const { cluster, spec } = given();
    const [{ desired, closed } = {}] = renderNetworkPolicies(cluster, spec, 'quorate-system');
    const live = structuredClone(desired);
    edit(live?.spec?.ingress?.[0] ?? {});
    expect(drift(desired, desired, closed)).toBeUndefined();
    expect(drift(desired, live, closed)).toMatch(/^spec\.ingress\[0\]/);
  });
});

describe('the disruption budget', () => {
  it.each([
    [1, []],
    [3, [2]],
    [5, [4]],
    [7, [6]],
  ] as const)('of %d members lets one be away at a time', (replicas, want) => {
    const { cluster, identity } = given({ replicas });
    const budgets = renderBudget(cluster, identity).map((b) => b.desired.spec);
    expect(budgets.map((b) => b?.minAvailable)).toEqual(want);
    for (const b of budgets) expect(b?.selector?.matchLabels).toEqual(members);
  });
});
