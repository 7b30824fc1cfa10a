// SPDX-License-Identifier: Apache-2.0
// An authority is minted once: what the leaves say counts where the record cannot.
import { beforeAll, describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import type { Secret } from '../../runtime/resources.ts';
import { createAuthority, type KeyCertificate } from '../../tls/authority.ts';
import { generateKey } from '../../tls/keys.ts';
import { judgeAuthority } from '../certificates.ts';
import {
  broken,
  expected,
  cluster as fixture,
  identity,
  now,
  observed,
  outcome,
  type Row,
  spec,
  unsealed,
} from '../fixtures.ts';
import type { AuthorityState, ChildState, Observed, SecretState } from '../observed.ts';
import { authoritySecretName, renderAuthoritySecret, type Side } from '../render/certificates.ts';
import { renderNetworkPolicies } from '../render/policies.ts';
import { renderServices } from '../render/services.ts';
import { renderClaims, renderStatefulSet } from '../render/statefulset.ts';
import { authorityRule, certificateRule } from './certificates.ts';

const cluster = { metadata: { name: 'orders', namespace: 'shop', uid: 'u1' } } as EtcdCluster;
let first: KeyCertificate;
let second: KeyCertificate;
let otherKey: string;
const earlier = new Date('2026-11-22T10:00:00Z');
const later = new Date('2037-01-01T10:00:00Z');

beforeAll(async () => {
  const key = await generateKey(2048);
  otherKey = await generateKey(2048);
  first = await createAuthority({ commonName: 'first', key, now });
  second = await createAuthority({ commonName: 'second', key, now });
});

function authority(side: Side, held: KeyCertificate | undefined, when = now): AuthorityState {
  const secret = held === undefined ? undefined : renderAuthoritySecret(cluster, side, held);
  return { side, secret, foreign: undefined, cert: held?.cert, ...judgeAuthority(secret, when) };
}

function leaf(side: Side, issuer: KeyCertificate | undefined, problem?: string): SecretState {
  const secret: Secret | undefined = issuer && {
    metadata: { name: side },
    data: { 'ca.crt': Buffer.from(issuer.cert).toString('base64') },
  };
  const need = { name: `orders-tls-${side}`, side, leaves: [], extra: {} };
  return { need, secret, foreign: undefined, problem, notAfter: undefined };
}

/** A record that was rebuilt from the claims: it names no authorities. */
const rebuilt = (authorities: AuthorityState[], secrets: SecretState[]) =>
  ({ cluster, authorities, secrets, children: [], identity: { phase: 'Formed' } }) as unknown as Observed;

describe('an authority that no record names', () => {
  it('is minted when there is nothing that another one could have signed', () => {
    const o = rebuilt([authority('peer', undefined), authority('client', undefined)], [leaf('peer', undefined)]);
    expect(authorityRule(o)?.step).toMatchObject({ action: 'IssueAuthorities', sides: ['peer', 'client'] });
  });

  it('is judged by any leaf of its side that tells, and by none of somebody else', () => {
    const [silent, telling] = [leaf('client', undefined), leaf('client', second)];
    const lost = rebuilt([authority('peer', first), authority('client', undefined)], [silent, telling]);
    expect(authorityRule(lost)?.finding?.reason).toBe('AuthorityLost');
    const strange = { ...telling, foreign: 'stranger' as const };
    const fresh = rebuilt([authority('peer', first), authority('client', undefined)], [silent, strange]);
    expect(authorityRule(fresh)?.step).toMatchObject({ action: 'IssueAuthorities', sides: ['client'] });
  });

  it.each([
    ['is being formed: claims and policies', 'Forming', []],
    ['is formed already: Services too', 'Formed', renderServices(fixture, spec, identity)],
  ] as const)('is minted together with what is missing of a cluster that %s', (__, phase, services) => {
    const children = [
      ...renderClaims(fixture, identity),
      ...renderServices(fixture, spec, identity),
      ...renderNetworkPolicies(fixture, spec, 'quorate-system'),
      renderStatefulSet(fixture, identity),
    ].map((child) => ({ child, live: undefined, foreign: undefined }));
    const [there, ...others] = children.map((c) => c as ChildState);
    const { authorities: _, ...forming } = unsealed;
    const o = {
      ...rebuilt([authority('peer', undefined), authority('client', undefined)], []),
      identity: { ...forming, phase },
      children: [{ ...there, live: there?.child.desired }, ...others] as ChildState[],
    };
    const step = authorityRule(o)?.step;
    const made = step?.action === 'IssueAuthorities' ? step.children.map((c) => c.child.desired.metadata.name) : [];
    const policies = renderNetworkPolicies(fixture, spec, 'quorate-system');
    expect(policies).not.toEqual([]);
    const claims = phase === 'Forming' ? ['data-orders-1', 'data-orders-2'] : [];
    expect(made).toEqual([...claims, ...[...services, ...policies].map((c) => c.desired.metadata.name)]);
  });

  it.each<[string, () => KeyCertificate | undefined]>([
    ['AuthorityLost', () => undefined],
    ['AuthorityReplaced', () => second],
  ])('%s is told when the leaves are of another one, and nothing is signed', (reason, held) => {
    const o = rebuilt([authority('peer', first), authority('client', held())], [leaf('client', first, 'expired')]);
    const ruling = authorityRule(o);
    expect(ruling?.step).toBeUndefined();
    expect(ruling?.finding).toMatchObject({ kind: 'blocked', reason });
    expect(ruling?.finding?.message).toContain(authoritySecretName(cluster, 'client'));
    expect(ruling?.finding?.message).toContain(authority('client', first).fingerprint?.slice(0, 16));
    expect(certificateRule(o)).toBeUndefined();
  });

  it('the side that is whole goes on issuing meanwhile', () => {
    const o = rebuilt(
      [authority('peer', undefined), authority('client', first)],
      [leaf('peer', second), leaf('client', first, 'the member files changed')],
    );
    expect(authorityRule(o)?.finding?.reason).toBe('AuthorityLost');
    expect(certificateRule(o)?.step).toMatchObject({ action: 'WriteSecrets', reason: 'CertificatesIssued' });
  });
});

describe('an authority that signs no more', () => {
  const recorded = (client: AuthorityState, when = now) => {
    const authorities = [authority('peer', first), client];
    const prints = { peer: authorities[0]?.fingerprint, client: client.fingerprint };
    const leaves = [
      leaf('peer', first, 'the member files changed'),
      leaf('client', second, 'the member files changed'),
    ];
    return {
      ...rebuilt(authorities, leaves),
      now: when,
      identity: { phase: 'Formed', authorities: prints },
    } as Observed;
  };

  it.each<[string, () => AuthorityState, Date, RegExp]>([
    [
      'AuthorityUnreadable',
      () => authority('client', { cert: second.cert, key: otherKey }),
      now,
      /orders-ca-client cannot sign: the key does not belong .* restore the Secret/,
    ],
    [
      'AuthorityExpired',
      () => authority('client', second, later),
      later,
      /orders-ca-client: it expired at 2036-.*restore the cluster from a backup/,
    ],
    [
      'AuthorityUnreadable',
      () => authority('client', second, earlier),
      earlier,
      /orders-ca-client cannot sign: it is not valid before 2026/,
    ],
  ])('%s: nothing is signed with it, the other side goes on, and nothing else stops', (reason, held, when, says) => {
    const o = recorded(held(), when);
    const peer = o.authorities.map((a) => (a.side === 'peer' ? authority('peer', first) : a));
    const ruling = authorityRule(o);
    expect(ruling).toMatchObject({ finding: { kind: 'blocked', reason, message: expect.stringMatching(says) } });
    expect(ruling?.stop).toBeUndefined();
    const step = certificateRule({ ...o, authorities: peer })?.step;
    expect(step?.action === 'WriteSecrets' ? step.secrets.map((s) => s.need.side) : []).toEqual(['peer']);
  });

  it('whose key is wrong is not recorded either, and may be deleted while nothing is signed', () => {
    const o = rebuilt([authority('peer', first), authority('client', { cert: second.cert, key: otherKey })], []);
    expect(authorityRule(o)).toMatchObject({
      stop: true,
      finding: { reason: 'AuthorityUnreadable', message: expect.stringContaining('delete it') },
    });
  });

  it('that is somebody else’s is told, signs nothing, and stops nothing of a formed cluster', () => {
    const o = recorded({ ...authority('client', second), foreign: 'stranger' });
    expect(authorityRule(o)).toMatchObject({ stop: false, finding: { reason: 'NameConflict' } });
    const step = certificateRule(o)?.step;
    expect(step?.action === 'WriteSecrets' ? step.secrets.map((s) => s.need.side) : []).toEqual(['peer']);
    expect(authorityRule(o)?.finding?.message).toMatch(/keep it, and put its owner back .*"uid":"u1"/);
    const another = { ...o, identity: { phase: 'Formed', authorities: { peer: 'a', client: 'b' } } } as Observed;
    expect(authorityRule(another)?.finding?.message).toMatch(/rename or delete it/);
    const unrecorded = { ...o, identity: { phase: 'Formed' } } as Observed;
    expect(authorityRule(unrecorded)).toMatchObject({ stop: true, finding: { reason: 'NameConflict' } });
  });
});

const rows: Row[] = [
  {
    sentence: 'a lost authority is never minted again',
    seen: observed({
      authorities: observed().authorities.map((a) =>
        a.side === 'peer' ? { ...a, secret: undefined, fingerprint: undefined } : a,
      ),
    }),
    finding: 'AuthorityLost',
    kind: 'blocked',
  },
  {
    sentence: 'a swapped authority is not used',
    seen: observed({ authorities: observed().authorities.map((a) => ({ ...a, fingerprint: 'X' })), secrets: [broken] }),
    finding: 'AuthorityReplaced',
    kind: 'blocked',
  },
  { sentence: 'a missing leaf is issued', seen: observed({ secrets: [broken] }), action: 'WriteSecrets' },
];

describe('a certificate', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
