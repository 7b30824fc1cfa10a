// SPDX-License-Identifier: Apache-2.0
// Judges the Secrets of a cluster: is each certificate what the cluster needs, and if not, why.
import { isDeepStrictEqual } from 'node:util';
import { memoized } from '../runtime/memo.ts';
import type { Secret } from '../runtime/resources.ts';
import { inspect } from '../tls/inspect.ts';
import { authorityProblem, leafProblem } from '../tls/verify.ts';
import type { AuthorityState, SecretState } from './observed.ts';
import { type LeafNeed, type SecretNeed, secretText } from './render/certificates.ts';

type AuthorityFacts = Pick<AuthorityState, 'fingerprint' | 'notAfter' | 'problem'>;

const authorityFacts = memoized((secret: Secret) => {
  const [cert = '', key] = ['tls.crt', 'tls.key'].map((k) => secretText(secret, k));
  const problem = key === undefined ? 'tls.key is missing' : authorityProblem({ cert, key });
  try {
    const { fingerprint, notBefore, notAfter } = inspect(cert);
    return { fingerprint, notBefore, notAfter, problem };
  } catch {
    return { fingerprint: undefined, notBefore: undefined, notAfter: undefined, problem };
  }
});

/** What the Secret of an authority holds, and why nothing can be signed with it. */
export function judgeAuthority(secret: Secret | undefined, now: Date): AuthorityFacts {
  if (secret === undefined) return { fingerprint: undefined, notAfter: undefined, problem: 'missing' };
  const { fingerprint, notBefore, notAfter, problem } = authorityFacts(secret);
  const early =
    notBefore !== undefined && now < notBefore ? `it is not valid before ${notBefore.toISOString()}` : undefined;
  const late = notAfter !== undefined && now > notAfter ? `it expired at ${notAfter.toISOString()}` : undefined;
  return { fingerprint, notAfter, problem: problem ?? early ?? late };
}

function secretProblem(
  secret: Secret | undefined,
  need: SecretNeed,
  authority: string | undefined,
  now: Date,
): Pick<SecretState, 'problem' | 'notAfter'> {
  if (secret === undefined) return { problem: 'missing', notAfter: undefined };
  if (authority === undefined) return { problem: undefined, notAfter: earliest(secret, need) };
  const problem =
    (secretText(secret, 'ca.crt') === authority ? undefined : 'ca.crt is not the authority in use') ??
    need.leaves.map((leaf) => leafIssue(secret, leaf, authority, now)).find((p) => p !== undefined) ??
    extraIssue(secret, need);
  return { problem, notAfter: earliest(secret, need) };
}

function leafIssue(secret: Secret, leaf: LeafNeed, caBundle: string, now: Date): string | undefined {
  const [cert, key] = leaf.keys.map((k) => secretText(secret, k));
  if (cert === undefined || key === undefined) return `${leaf.keys.join(' or ')} is missing`;
  const problem = leafProblem({
    leaf: { cert, key },
    caBundle,
    usages: [...leaf.usages],
    dnsNames: [...leaf.dnsNames],
    now,
  });
  if (problem !== undefined) return `${leaf.keys[0]}: ${problem}`;
  const facts = inspect(cert);
  if (facts.commonName !== leaf.commonName) return `${leaf.keys[0]}: common name is ${facts.commonName}`;
  const organization = /(?:^|, )O=([^,]*)/.exec(facts.subject)?.[1];
  if (organization !== leaf.organization) return `${leaf.keys[0]}: organization is ${organization ?? 'absent'}`;
  const uris = leaf.uris ?? [];
  return uris.every((u) => facts.uris.includes(u)) ? undefined : 'the member files changed';
}

function extraIssue(secret: Secret, need: SecretNeed): string | undefined {
  const expected = new Set(['ca.crt', ...need.leaves.flatMap((l) => l.keys), ...Object.keys(need.extra)]);
  const changed = Object.entries(need.extra).find(([key, value]) => secretText(secret, key) !== value);
  if (changed !== undefined) return `${changed[0]} changed`;
  const extra = Object.keys(secret.data ?? {}).find((key) => !expected.has(key));
  return extra === undefined ? undefined : `${extra} does not belong there`;
}

const earliest = (secret: Secret, need: SecretNeed): Date | undefined =>
  validity(secret, need)
    .map(({ notAfter }) => notAfter)
    .toSorted((a, b) => a.getTime() - b.getTime())[0];

/** Of each leaf that can be read. */
const validity = (secret: Secret, need: SecretNeed) =>
  need.leaves.flatMap((leaf) => {
    try {
      return [inspect(secretText(secret, leaf.keys[0]) ?? '')];
    } catch {
      return [];
    }
  });

interface Judged {
  readonly need: SecretNeed;
  readonly authority: string | undefined;
  readonly result: Pick<SecretState, 'problem' | 'notAfter'>;
  /** Whether it still says the same, as far as dates go: also after a clock was put right. */
  holds(now: Date): boolean;
}

const judged = new WeakMap<Secret, Judged>();

/** The same, remembered for the same bytes: checking keys and signatures at each pass would be most of an idle operator's work. */
export function judgeSecret(
  secret: Secret | undefined,
  need: SecretNeed,
  authority: string | undefined,
  now: Date,
): Pick<SecretState, 'problem' | 'notAfter'> {
  const known = secret === undefined ? undefined : judged.get(secret);
  if (known?.holds(now) === true && known.authority === authority && isDeepStrictEqual(known.need, need)) {
    return known.result;
  }
  const result = secretProblem(secret, need, authority, now);
  if (secret === undefined) return result;
  const leaves = validity(secret, need);
  const holds = (at: Date) => leaves.every(({ notBefore, notAfter }) => notBefore <= at && at < notAfter);
  if (holds(now)) judged.set(secret, { need, authority, result, holds });
  return result;
}
