// SPDX-License-Identifier: Apache-2.0
// What is made at once with the record of the authorities, and what stands against that.
import { describe, expect, it } from 'vitest';
import { createAuthority } from '../../tls/authority.ts';
import { inspect } from '../../tls/inspect.ts';
import { broken, claimOf, forming, identity, observed, same, spec, stray, unmarked } from '../fixtures.ts';
import type { AuthorityState, ChildState, Observed } from '../observed.ts';
import { plan } from '../plan.ts';
import { renderNetworkPolicies } from '../render/policies.ts';
import { renderServices } from '../render/services.ts';
import { renderStatefulSet } from '../render/statefulset.ts';

const { cluster } = observed();
const { authorities, ...unrecorded } = forming();
const missing = (child: ChildState['child']): ChildState => ({ child, live: undefined, foreign: undefined });
const [lost, ...others] = unmarked(forming()).slice(0, 3) as [ChildState, ...ChildState[]];
const claims = [lost, ...others];
const [service, ...services] = renderServices(cluster, spec, identity).map(missing) as [ChildState, ...ChildState[]];
const set = missing(renderStatefulSet(cluster, forming()));
const drifted = { ...service, live: { metadata: { ...service.child.desired.metadata, labels: {} } } };
const [policy] = renderNetworkPolicies(cluster, spec, 'quorate-system') as [ChildState['child']];
const beside = (one: ChildState): Partial<Observed> => ({ children: [...claims, one, ...services, set] });

/** Authorities and claims are there, and nothing else. */
const begun = (over: Partial<Observed> = {}): Observed =>
  observed({
    identity: unrecorded,
    secrets: [broken],
    children: [...claims, service, ...services, set],
    ...over,
  });

describe('the authorities of a cluster that is being formed', () => {
  it('are recorded together with leaves and Services', () => {
    const { step, findings } = plan(begun());
    expect(findings.filter((f) => f.kind === 'blocked')).toEqual([]);
    expect(step).toMatchObject({ action: 'Prepare', reason: 'AuthoritiesRecorded', identity: { authorities } });
    if (step?.action !== 'Prepare') throw new Error('not prepared');
    expect(step.secrets).toEqual([broken]);
    expect(step.children).toEqual([service, ...services]);
    expect(step.replaces).toBe('7');
  });

  it.each<[string, Partial<Observed>]>([
    ['a claim is missing', { children: [...others, missing(lost.child), service, ...services, set] }],
    ['a policy is missing', { children: [...claims, missing(policy), service, ...services, set] }],
    ['a claim is of an earlier attempt', { claims: [claimOf('ffff', false)] }],
    ['no Secret is missing', { secrets: [] }],
    ['a Secret is there that has to be mended', { secrets: [{ ...broken, secret: { metadata: { name: 'x' } } }] }],
    ['a Service is there that has to be mended', beside(drifted)],
    ['the Services are there', { children: [...claims, same(service.child), set] }],
    ['the cluster is formed', { identity: { ...unrecorded, phase: 'Formed' } }],
    ["a Secret is somebody else's", { secrets: [broken, stray('orders-tls-peer')] }],
    ["a Service is somebody else's", beside({ ...service, foreign: 'stranger' })],
    ['a Service is of a cluster that is being deleted', beside({ ...service, foreign: 'predecessor' })],
    ["a policy is somebody else's", { children: [...claims, { ...same(policy), foreign: 'stranger' }, ...services] }],
    ["the StatefulSet is somebody else's", { children: [...claims, service, { ...set, foreign: 'stranger' }] }],
  ])('are recorded alone where %s', (_, over) => {
    expect(plan(begun(over)).step).toMatchObject({ action: 'RecordIdentity', identity: { authorities } });
  });

  it('are not recorded where the leaves are of another one', async () => {
    const { cert } = await createAuthority({ commonName: 'another' });
    const data = { 'ca.crt': Buffer.from(cert).toString('base64') };
    const secrets = [{ ...broken, secret: { metadata: { name: broken.need.name }, data } }];
    const { step, findings } = plan(begun({ secrets }));
    expect(findings[0]?.reason).toBe('AuthorityReplaced');
    expect(step?.action).not.toMatch(/RecordIdentity|Prepare/);
  });

  it('are recorded where the leaves are of them', async () => {
    const peer = { ...(observed().authorities[0] as AuthorityState) };
    const { cert } = await createAuthority({ commonName: 'ours' });
    const client: AuthorityState = { ...peer, side: 'client', fingerprint: inspect(cert).fingerprint };
    const data = { 'ca.crt': Buffer.from(cert).toString('base64') };
    const secrets = [{ ...broken, problem: undefined, secret: { metadata: { name: broken.need.name }, data } }];
    const { step } = plan(begun({ authorities: [peer, client], secrets }));
    const wanted = { peer: peer.fingerprint, client: client.fingerprint };
    expect(step).toMatchObject({ action: 'RecordIdentity', identity: { authorities: wanted } });
  });

  it('are recorded once', () => {
    expect(plan(begun({ identity: forming() })).step?.action).toBe('WriteSecrets');
  });
});
