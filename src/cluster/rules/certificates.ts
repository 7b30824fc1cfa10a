// SPDX-License-Identifier: Apache-2.0
// Rules on authorities and leaves: mint an authority once, never replace a lost one silently, keep every leaf usable.
import { inspect } from '../../tls/inspect.ts';
import type { Observed, SecretState } from '../observed.ts';
import { authoritySecretName, type Side, secretText } from '../render/certificates.ts';
import { wantsWrite } from './children.ts';
import { foreignRuling } from './foreign.ts';
import type { Ruling } from './rule.ts';

/** Fingerprint of the authority in `ca.crt`; undefined for a Secret that is absent, not ours or unreadable. */
function issuerOf({ secret, foreign }: SecretState): string | undefined {
  if (secret === undefined || foreign !== undefined) return undefined;
  try {
    return inspect(secretText(secret, 'ca.crt') ?? '').fingerprint;
  } catch {
    return undefined;
  }
}

/** What members and clients trust: as recorded or, where the record was rebuilt from the claims, as the leaves say. */
function trusted(o: Observed, side: Side): string | undefined {
  const leaves = o.secrets.filter((s) => s.need.side === side);
  return o.identity?.authorities?.[side] ?? leaves.map(issuerOf).find((issuer) => issuer !== undefined);
}

export function authorityRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined) return undefined;
  for (const a of o.authorities) {
    if (a.foreign !== undefined) return foreignRuling('Secret', authoritySecretName(o.cluster, a.side), a.foreign);
  }
  const lost = lostAuthority(o);
  if (lost !== undefined) return lost;
  if (o.identity.authorities === undefined) {
    const missing = o.authorities.filter((a) => a.secret === undefined).map((a) => a.side);
    if (missing.length > 0) {
      // What needs no certificate is made meanwhile; the StatefulSet waits, so that no pod retries a missing mount.
      const children = o.children.filter((c) => c.child.resource.kind !== 'StatefulSet' && wantsWrite(o, c));
      const message = `issuing the certificate authorities for ${missing.join(' and ')}`;
      return { step: { action: 'IssueAuthorities', sides: missing, children, reason: 'AuthoritiesIssued', message } };
    }
    return recordAuthorities(o);
  }
  return undefined;
}

function lostAuthority(o: Observed): Ruling | undefined {
  const bad = o.authorities
    .map((a) => ({ ...a, trusted: trusted(o, a.side) }))
    .find((a) => a.trusted !== undefined && a.fingerprint !== a.trusted);
  if (bad?.trusted === undefined) return undefined;
  const name = authoritySecretName(o.cluster, bad.side);
  const reason = bad.secret === undefined ? 'AuthorityLost' : 'AuthorityReplaced';
  const state = bad.secret === undefined ? 'is gone' : 'no longer holds the authority that the members trust';
  const message =
    `the Secret ${name} ${state}; members and clients go on with the certificates they have, but none can be issued: ` +
    `restore the authority with fingerprint ${bad.trusted.slice(0, 16)}… from a backup`;
  return { finding: { kind: 'blocked', reason, message } };
}

function recordAuthorities(o: Observed): Ruling | undefined {
  const print = (side: Side) => o.authorities.find((a) => a.side === side)?.fingerprint;
  const [peer, client] = [print('peer'), print('client')];
  if (o.identity === undefined) return undefined;
  if (peer === undefined || client === undefined) {
    const bad = o.authorities.find((a) => a.fingerprint === undefined);
    const name = authoritySecretName(o.cluster, bad?.side ?? 'peer');
    const message = `the Secret ${name} does not hold a readable certificate authority: ${bad?.problem ?? ''}; delete it to have one issued`;
    return { stop: true, finding: { kind: 'blocked', reason: 'AuthorityUnreadable', message } };
  }
  const identity = { ...o.identity, authorities: { peer, client } };
  const message = 'recording the fingerprints of the certificate authorities';
  const replaces = o.config?.metadata.resourceVersion;
  return { step: { action: 'RecordIdentity', identity, replaces, reason: 'AuthoritiesRecorded', message } };
}

export function certificateRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined) return undefined;
  const foreign = o.secrets.find((s) => s.foreign !== undefined);
  if (foreign?.foreign !== undefined) return foreignRuling('Secret', foreign.need.name, foreign.foreign);
  const usable = (side: Side) =>
    o.authorities.some((a) => a.side === side && a.fingerprint !== undefined && a.fingerprint === trusted(o, side));
  const due = o.secrets.filter((s) => s.problem !== undefined && usable(s.need.side));
  if (due.length === 0) return undefined;
  const what = due.map((s) => `${s.need.name} (${s.problem})`).join(', ');
  const formed = o.identity.phase === 'Formed';
  const message = `writing ${what}`;
  return { step: { action: 'WriteSecrets', secrets: due, reason: 'CertificatesIssued', message, event: formed } };
}
