// SPDX-License-Identifier: Apache-2.0
// What is wrong with a Secret of certificates: each thing that it must attest, and how long a judgement is remembered.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Secret } from '../runtime/resources.ts';
import { createAuthority, issueLeaf, type KeyCertificate, type LeafRequest } from '../tls/authority.ts';
import { generateKey } from '../tls/keys.ts';
import { judgeAuthority, judgeSecret } from './certificates.ts';
import { cluster, now } from './fixtures.ts';
import { type LeafNeed, renderAuthoritySecret, renderSecret, type SecretNeed } from './render/certificates.ts';

const DAY = 86_400_000;
const FILE = 'urn:quorate:file:orders-0:abc';
const leafNeed: LeafNeed = {
  keys: ['tls.crt', 'tls.key'],
  commonName: 'orders',
  organization: 'shop',
  usages: ['server'],
  dnsNames: ['orders-0.shop.svc'],
  uris: [FILE],
};
const need: SecretNeed = { name: 'orders-tls-server', side: 'client', leaves: [leafNeed], extra: { endpoints: 'a,b' } };

let authority: KeyCertificate;
let other: KeyCertificate;
let key: string;
let whole: Secret;

/** The Secret with a leaf that attests something else. */
async function leafOf(over: Partial<LeafRequest> = {}, by = authority): Promise<Secret> {
  const { commonName, organization } = leafNeed;
  const names = { dnsNames: ['orders-0.shop.svc'], uris: [FILE], usages: ['server' as const] };
  const asked = { commonName, ...(organization === undefined ? {} : { organization }), ...names, key, now };
  return renderSecret(cluster, need, authority.cert, [await issueLeaf(by, { ...asked, ...over })]);
}

const encode = (text: string) => Buffer.from(text).toString('base64');
const holding = (data: Record<string, string | undefined>): Secret => {
  const all = Object.entries({ ...whole.data, ...data }).filter(([, value]) => value !== undefined);
  return { ...whole, data: Object.fromEntries(all) as Record<string, string> };
};
const problemOf = (secret: Secret | undefined, at = now, wanted = need): string | undefined =>
  judgeSecret(secret, wanted, authority.cert, at).problem;

beforeAll(async () => {
  const [first, second, third] = await Promise.all([2048, 2048, 2048].map(() => generateKey(2048)));
  key = third as string;
  authority = await createAuthority({ commonName: 'client CA', key: first, now });
  other = await createAuthority({ commonName: 'client CA', key: second, now });
  whole = await leafOf();
});

describe('a Secret of certificates', () => {
  it.each<[string, () => Promise<Secret | undefined> | Secret, RegExp | undefined]>([
    ['as it should be is left alone', () => whole, undefined],
    ['that is not there is missing', async () => undefined, /^missing$/],
    [
      'with another authority',
      () => holding({ 'ca.crt': encode(other.cert) }),
      /^ca\.crt is not the authority in use$/,
    ],
    ['without a certificate', () => holding({ 'tls.crt': undefined }), /^tls\.crt or tls\.key is missing$/],
    ['without a key', () => holding({ 'tls.key': undefined }), /^tls\.crt or tls\.key is missing$/],
    ['whose key is another one', () => holding({ 'tls.key': encode(other.key) }), /^tls\.crt: the key does not belong/],
    ['signed by another authority of the name', () => leafOf({}, other), /^tls\.crt: .* not signed by a trusted/],
    ['that lacks a name', () => leafOf({ dnsNames: [] }), /^tls\.crt: .* not valid for orders-0\.shop\.svc$/],
    ['that a server may not use', () => leafOf({ usages: ['client'] }), /^tls\.crt: .* may not be used by a server$/],
    ['with another common name', () => leafOf({ commonName: 'root' }), /^tls\.crt: common name is root$/],
    ['with another organization', () => leafOf({ organization: 'system:masters' }), /organization is system:masters$/],
    ['that vouches for other files', () => leafOf({ uris: [`${FILE}d`] }), /^the member files changed$/],
    ['with an edited file', () => holding({ endpoints: encode('elsewhere') }), /^endpoints changed$/],
    ['that lost a file', () => holding({ endpoints: undefined }), /^endpoints changed$/],
    ['with something more', () => holding({ 'orders-9.yaml': encode('x') }), /^orders-9\.yaml does not belong there$/],
  ])('%s', async (_sentence, given, problem) => {
    const said = problemOf(await given());
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(problem);
  });

  it('of a client that is to have no organization must have none', () => {
    const { organization: _, ...plain } = leafNeed;
    expect(problemOf(whole, now, { ...need, leaves: [plain] })).toMatch(/organization is shop$/);
  });

  it('without organization where one is asked for', async () => {
    const { cert, key: same } = await issueLeaf(authority, {
      commonName: 'orders',
      usages: ['server'],
      dnsNames: [...leafNeed.dnsNames],
      uris: [FILE],
      key,
      now,
    });
    expect(problemOf(renderSecret(cluster, need, authority.cert, [{ cert, key: same }]))).toMatch(/is absent$/);
  });

  it('is judged once for the same bytes and the same need', () => {
    const secret = holding({});
    const first = judgeSecret(secret, need, authority.cert, now);
    expect(judgeSecret(secret, structuredClone(need), authority.cert, new Date(now.getTime() + DAY))).toBe(first);
  });

  it('is judged anew for another need, another authority, and once it has expired', () => {
    expect(problemOf(whole)).toBeUndefined();
    expect(problemOf(whole, now, { ...need, extra: { endpoints: 'c' } })).toBe('endpoints changed');
    expect(judgeSecret(whole, need, other.cert, now).problem).toMatch(/not the authority/);
    expect(problemOf(whole)).toBeUndefined();
    expect(problemOf(whole, new Date(now.getTime() + 91 * DAY))).toMatch(/expired/);
  });

  it('that was issued while the clock was ahead is judged anew when the clock is right again', async () => {
    const ahead = new Date(now.getTime() + 100 * DAY);
    const early = await leafOf({ now: ahead });
    expect(problemOf(early, ahead)).toBeUndefined();
    expect(problemOf(early)).toMatch(/not valid before/);
    expect(problemOf(early, ahead), 'and so is what was found then').toBeUndefined();
  });

  it('whose authority cannot be read is left as it is', () => {
    const { problem, notAfter } = judgeSecret(whole, { ...need, extra: {} }, undefined, now);
    expect([problem, notAfter?.getTime()]).toEqual([undefined, now.getTime() + 90 * DAY]);
  });

  it('expires with the first of its leaves, and says nothing of one that cannot be read', async () => {
    const dial: LeafNeed = { ...leafNeed, keys: ['dial.crt', 'dial.key'] };
    const short = await leafOf({ validDays: 7 });
    const both = { ...need, leaves: [leafNeed, dial] };
    const secret = holding({ 'dial.crt': short.data?.['tls.crt'], 'dial.key': short.data?.['tls.key'] });
    expect(judgeSecret(secret, both, authority.cert, now).notAfter?.getTime()).toBe(now.getTime() + 7 * DAY);
    const torn = holding({ 'dial.crt': encode('x') });
    expect(judgeSecret(torn, both, authority.cert, now).notAfter?.getTime()).toBe(now.getTime() + 90 * DAY);
    expect(judgeSecret(holding({ 'tls.crt': encode('x') }), need, authority.cert, now).notAfter).toBeUndefined();
  });
});

describe('an authority', () => {
  const at = (days: number) => new Date(now.getTime() + days * DAY);
  it.each<[string, () => Secret | undefined, Date, RegExp | undefined]>([
    ['as it should be', () => renderAuthoritySecret(cluster, 'peer', authority), now, undefined],
    ['that is not there', () => undefined, now, /^missing$/],
    ['that has expired', () => renderAuthoritySecret(cluster, 'peer', authority), at(3651), /^it expired at /],
    ['of tomorrow', () => renderAuthoritySecret(cluster, 'peer', authority), at(-1), /^it is not valid before /],
    [
      'without a key',
      () => ({ metadata: { name: 'a' }, data: { 'tls.crt': encode(authority.cert) } }),
      now,
      /tls\.key/,
    ],
    ['that is empty', () => ({ metadata: { name: 'a' } }), now, /tls\.key is missing/],
  ])('%s', (_sentence, secret, when, problem) => {
    const said = judgeAuthority(secret(), when).problem;
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(problem);
  });
});
