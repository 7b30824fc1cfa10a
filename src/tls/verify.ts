// SPDX-License-Identifier: Apache-2.0
// Says what is wrong with a leaf (its key, chain, dates, usages or names), and with an authority that is to sign one.
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import type { KeyCertificate } from './authority.ts';
import { parseCertificates } from './inspect.ts';

export interface LeafExpectation {
  leaf: KeyCertificate;
  caBundle: string;
  usages: ('server' | 'client')[];
  dnsNames?: string[];
  now?: Date;
}

const USAGE_OIDS = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** How many certificates may stand between a leaf and a root. */
const MAX_INTERMEDIATES = 4;

/** A sentence that names the first problem of the leaf, or undefined when it can be used. Never throws. */
export function leafProblem(o: LeafExpectation): string | undefined {
  try {
    const [leaf, ...intermediates] = parseCertificates(o.leaf.cert);
    if (leaf === undefined) return 'the certificate is missing';
    if (!keyFits(leaf, o.leaf.key)) return 'the key does not belong to the certificate';
    const now = o.now ?? new Date();
    return (
      dateProblem(leaf, now, 'the certificate') ??
      chainProblem(leaf, intermediates, parseCertificates(o.caBundle), now) ??
      usageProblem(leaf, o.usages) ??
      nameProblem(leaf, o.dnsNames ?? [])
    );
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}

/** Why nothing can be signed with this authority, its dates aside; undefined when it can. Never throws. */
export function authorityProblem({ cert, key }: KeyCertificate): string | undefined {
  try {
    const [authority] = parseCertificates(cert);
    if (!authority.ca) return 'the certificate is not an authority';
    if (!keyFits(authority, key)) return 'the key does not belong to the certificate';
    const { asymmetricKeyType } = authority.publicKey;
    return asymmetricKeyType === 'rsa' ? undefined : `the key is ${asymmetricKeyType ?? 'unknown'}, not rsa`;
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}

function keyFits(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function dateProblem(certificate: X509Certificate, now: Date, what: string): string | undefined {
  const { validFromDate, validToDate } = certificate;
  if (now < validFromDate) return `${what} is not valid before ${validFromDate.toISOString()}`;
  return now > validToDate ? `${what} expired at ${validToDate.toISOString()}` : undefined;
}

function chainProblem(
  leaf: X509Certificate,
  intermediates: X509Certificate[],
  roots: X509Certificate[],
  now: Date,
): string | undefined {
  let current = leaf;
  for (let depth = 0; depth <= MAX_INTERMEDIATES; depth += 1) {
    const below = current;
    const root = roots.find((candidate) => isIssuer(candidate, below));
    if (root !== undefined) return dateProblem(root, now, 'the authority');
    const next = intermediates.find((candidate) => candidate !== below && isIssuer(candidate, below));
    if (next === undefined) break;
    const problem = dateProblem(next, now, 'an intermediate certificate');
    if (problem !== undefined) return problem;
    current = next;
  }
  return 'the certificate is not signed by a trusted authority';
}

const isIssuer = (issuer: X509Certificate, subject: X509Certificate): boolean =>
  issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);

function usageProblem(leaf: X509Certificate, usages: LeafExpectation['usages']): string | undefined {
  // Node types the list as always present; a certificate without the extension has none and may be used for anything.
  const stated: string[] | undefined = leaf.keyUsage;
  if (stated === undefined) return undefined;
  const missing = usages.find((usage) => !stated.includes(USAGE_OIDS[usage]));
  return missing === undefined ? undefined : `the certificate may not be used by a ${missing}`;
}

function nameProblem(leaf: X509Certificate, dnsNames: string[]): string | undefined {
  const missing = dnsNames.find((name) => leaf.checkHost(name, { subject: 'never' }) === undefined);
  return missing === undefined ? undefined : `the certificate is not valid for ${missing}`;
}
