// SPDX-License-Identifier: Apache-2.0
// Rules on authorities and leaves: mint an authority once, never replace a lost one silently, keep every leaf usable.
import { inspect } from '../../tls/inspect.ts';
import type { AuthorityState, Observed, SecretState } from '../observed.ts';
import { authoritySecretName, type Side, secretText } from '../render/certificates.ts';
import { ownedMetadata } from '../render/children.ts';
import { isService, isSet, wantsWrite } from './children.ts';
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
    if (a.foreign === undefined) continue;
    const ruling = foreignRuling(o, 'Secret', authoritySecretName(o.cluster, a.side), a.foreign, disownedRemedy(o, a));
    // What is not recorded yet is never taken from somebody else.
    return o.identity.authorities === undefined ? { ...ruling, stop: true } : ruling;
  }
  const unusable = o.authorities.map((a) => unusableAuthority(o, a)).find((ruling) => ruling !== undefined);
  if (unusable !== undefined) return unusable;
  if (o.identity.authorities !== undefined) return undefined;
  const sides = o.authorities.filter((a) => a.secret === undefined).map((a) => a.side);
  if (sides.length === 0) return undefined;
  const forming = o.identity.phase === 'Forming';
  // What needs no certificate is made meanwhile; the StatefulSet waits, so that no pod retries a missing mount.
  const children = o.children.filter((c) => !isSet(c) && !(forming && isService(c)) && wantsWrite(o, c));
  const message = `issuing the certificate authorities for ${sides.join(' and ')}`;
  return { step: { action: 'IssueAuthorities', sides, children, reason: 'AuthoritiesIssued', message } };
}

/** Of an authority that the members trust and that has lost its owner, as after a restore: it must not be deleted. */
function disownedRemedy({ cluster, identity }: Observed, a: AuthorityState): string | undefined {
  if (a.fingerprint === undefined || a.fingerprint !== identity?.authorities?.[a.side]) return undefined;
  const { name, namespace, ownerReferences } = ownedMetadata(cluster, authoritySecretName(cluster, a.side));
  const patch = JSON.stringify({ metadata: { ownerReferences } });
  return `it holds the authority that the members trust: keep it, and put its owner back with \`kubectl patch secret -n ${namespace} ${name} --type merge -p '${patch}'\``;
}

const GO_ON = 'members and clients go on with the certificates they have, but none can be issued';

/** What keeps this authority from signing, though the rest goes on; undefined too where it is still to be made. */
function unusableAuthority(o: Observed, a: AuthorityState): Ruling | undefined {
  const name = authoritySecretName(o.cluster, a.side);
  const blocked = (reason: string, message: string): Ruling => ({ finding: { kind: 'blocked', reason, message } });
  const wanted = trusted(o, a.side);
  if (wanted !== undefined && a.fingerprint !== wanted) {
    const [reason, state] =
      a.secret === undefined
        ? ['AuthorityLost', 'is gone']
        : ['AuthorityReplaced', 'no longer holds the authority that the members trust'];
    const remedy = `restore the authority with fingerprint ${wanted.slice(0, 16)}… from a backup`;
    return blocked(reason, `the Secret ${name} ${state}; ${GO_ON}: ${remedy}`);
  }
  if (a.secret === undefined || a.problem === undefined) return undefined;
  if (wanted === undefined) {
    const message = `the Secret ${name} does not hold a usable certificate authority: ${a.problem}; delete it to have one issued`;
    return { stop: true, ...blocked('AuthorityUnreadable', message) };
  }
  if (a.notAfter !== undefined && a.notAfter < o.now) {
    const remedy = 'this version cannot renew an authority: restore the cluster from a backup into a new one';
    return blocked(
      'AuthorityExpired',
      `the authority in the Secret ${name}: ${a.problem}, and with it all it has signed; ${remedy}`,
    );
  }
  const remedy = `restore the Secret from a backup, with the key of the authority ${wanted.slice(0, 16)}…`;
  return blocked('AuthorityUnreadable', `the Secret ${name} cannot sign: ${a.problem}; ${GO_ON}: ${remedy}`);
}

export const canSign = (o: Observed, a: AuthorityState): boolean =>
  a.foreign === undefined &&
  a.problem === undefined &&
  a.fingerprint !== undefined &&
  a.fingerprint === trusted(o, a.side);

export function certificateRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined) return undefined;
  const foreign = o.secrets.find((s) => s.foreign !== undefined);
  const told = foreign?.foreign && foreignRuling(o, 'Secret', foreign.need.name, foreign.foreign);
  if (told?.stop === true) return told;
  const usable = (side: Side) => o.authorities.some((a) => a.side === side && canSign(o, a));
  const due = o.secrets.filter((s) => s.foreign === undefined && s.problem !== undefined && usable(s.need.side));
  if (due.length === 0) return told;
  const what = due.map((s) => `${s.need.name} (${s.problem})`).join(', ');
  const step = {
    action: 'WriteSecrets',
    secrets: due,
    reason: 'CertificatesIssued',
    message: `writing ${what}`,
  } as const;
  return { ...told, step: { ...step, event: o.identity.phase === 'Formed' } };
}
