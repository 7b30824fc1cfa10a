// SPDX-License-Identifier: Apache-2.0
// Authorities and leaves: judged by openssl, by Node's own reader and by real handshakes.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { assert, asyncProperty, constantFrom, string } from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, issueLeaf, type KeyCertificate, type LeafRequest } from './authority.ts';
import { bundle, inspect } from './inspect.ts';
import { generateKey } from './keys.ts';
import { authorityProblem, leafProblem } from './verify.ts';

const run = promisify(execFile);
const DAY = 86_400_000;
const NAMES = ['orders-0.shop.svc', '*.orders-members.shop.svc', 'localhost'];

let ca: KeyCertificate;
let otherCa: KeyCertificate;
let leafKey: string;

const leaf = (r: Partial<LeafRequest> = {}, authority = ca): Promise<KeyCertificate> =>
  issueLeaf(authority, { commonName: 'orders', usages: ['server', 'client'], key: leafKey, ...r });

beforeAll(async () => {
  const [caKey, otherKey, key] = await Promise.all([generateKey(3072), generateKey(3072), generateKey(2048)]);
  leafKey = key;
  [ca, otherCa] = await Promise.all([
    createAuthority({ commonName: 'orders client CA', key: caKey }),
    createAuthority({ commonName: 'orders client CA', key: otherKey }),
  ]);
}, 60_000);

async function openssl(files: Record<string, string>, args: string[]): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'quorate-tls-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
    const { stdout } = await run('openssl', args, { cwd: folder, timeout: 10_000 });
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** One mutual handshake on loopback; what each side says of the other. */
async function handshake(o: {
  server: KeyCertificate;
  client: KeyCertificate;
  serverTrusts: string;
  clientTrusts: string;
}) {
  const server = createServer({ ...o.server, ca: o.serverTrusts, requestCert: true, rejectUnauthorized: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const seen = new Promise<string>((resolve) => {
    server.once('secureConnection', (s: TLSSocket) => resolve(s.getPeerX509Certificate()?.subject ?? ''));
    server.once('tlsClientError', (e) => resolve(`refused: ${e.message}`));
  });
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, servername: 'orders-0.shop.svc', ca: o.clientTrusts, ...o.client });
  const client = await new Promise<string>((resolve) => {
    socket.once('secureConnect', () => resolve('connected'));
    socket.once('error', (e: NodeJS.ErrnoException) => resolve(`refused: ${e.code}`));
  });
  const result = { client, server: await seen };
  socket.on('error', () => undefined).destroy();
  server.close();
  return result;
}

describe('an authority', () => {
  it('is accepted by openssl as a self-signed authority with matching key identifiers', async () => {
    expect(await openssl({ ca: ca.cert }, ['verify', '-x509_strict', '-CAfile', 'ca', 'ca'])).toContain('ca: OK');
    const text = await openssl({ ca: ca.cert }, ['x509', '-in', 'ca', '-noout', '-text']);
    expect(text).toMatch(/CA:TRUE, pathlen:0/);
    expect(text).toMatch(/Public-Key: \(3072 bit\)/);
    expect(text).toMatch(/Signature Algorithm: sha256WithRSAEncryption/);
    const [subject, authority] = [...text.matchAll(/([0-9A-F]{2}:){19}[0-9A-F]{2}/g)].map(([id]) => id);
    expect(subject).toBe(authority);
  });

  it('lives ten years by default, and began five minutes ago', async () => {
    const now = new Date('2026-01-01T00:00:00Z');
    const { notBefore, notAfter, isAuthority } = inspect(
      (await createAuthority({ commonName: 'x', key: leafKey, now })).cert,
    );
    expect([notBefore.toISOString(), notAfter.getTime() - now.getTime(), isAuthority]).toEqual([
      '2025-12-31T23:55:00.000Z',
      3650 * DAY,
      true,
    ]);
  });
});

describe('a leaf', () => {
  it('is accepted by openssl for both purposes and every kind of name', async () => {
    const { cert } = await leaf({
      dnsNames: NAMES,
      ipAddresses: ['127.0.0.1', 'fd00::1'],
      uris: ['urn:quorate:files:00ff'],
    });
    const files = { ca: ca.cert, leaf: cert };
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-verify_hostname',
        NAMES[0] ?? '',
        '-CAfile',
        'ca',
        'leaf',
      ];
      expect(await openssl(files, args)).toContain('leaf: OK');
    }
    expect(inspect(cert)).toMatchObject({
      commonName: 'orders',
      issuer: 'CN=orders client CA',
      dnsNames: NAMES,
      ipAddresses: ['127.0.0.1', 'fd00::1'],
      uris: ['urn:quorate:files:00ff'],
      isAuthority: false,
      publicKeyType: 'rsa',
    });
  });

  it('is tied to its issuer by key identifier, so that two authorities of one name are told apart', async () => {
    const { cert } = await leaf({}, otherCa);
    const issuer = [ca, otherCa].filter((c) => new X509Certificate(cert).checkIssued(new X509Certificate(c.cert)));
    expect(issuer).toEqual([otherCa]);
  });

  it('has a serial number that is positive, 16 bytes long and never twice the same', async () => {
    const serials = await Promise.all(Array.from({ length: 20 }, async () => inspect((await leaf()).cert).serial));
    expect(serials.every((s) => /^[4-7][0-9a-f]{31}$/.test(s))).toBe(true);
    expect(new Set(serials).size).toBe(serials.length);
  });

  it('has no alternative names unless some are given', async () => {
    expect(new X509Certificate((await leaf()).cert).subjectAltName).toBeUndefined();
  });

  it('carries any common name and organization as they are written', async () => {
    const text = string({
      unit: constantFrom('a', 'Z', '9', ' ', '_', '*', ':', '@', '&', 'é', '日', '-'),
      minLength: 1,
      maxLength: 40,
    });
    await assert(
      asyncProperty(text, async (commonName) => {
        const { cert } = await leaf({ commonName, organization: commonName });
        expect(new X509Certificate(cert).toLegacyObject().subject).toMatchObject({ CN: commonName, O: commonName });
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    ['an authority whose key is another one', () => leaf({}, { ...ca, key: otherCa.key }), 'KeyMismatch'],
    ['an authority that is a leaf', async () => leaf({}, await leaf()), 'InvalidCertificate'],
    ['a key that is no PEM', () => leaf({ key: 'nonsense' }), 'InvalidKey'],
    ['a certificate that is no PEM', () => leaf({}, { ...ca, cert: 'nonsense' }), 'InvalidCertificate'],
  ])('is refused with %s', async (_what, issue, code) => {
    await expect(issue()).rejects.toMatchObject({ name: 'TlsError', code });
  });
});

describe('a handshake', () => {
  it('succeeds between a server leaf and a client leaf without names', async () => {
    const [server, client] = [await leaf({ dnsNames: NAMES, usages: ['server'] }), await leaf({ usages: ['client'] })];
    const result = await handshake({ server, client, serverTrusts: ca.cert, clientTrusts: ca.cert });
    expect(result).toEqual({ client: 'connected', server: 'CN=orders' });
  });

  it.each([
    ['a server of another authority', { serverCa: 'other' }, { client: 'refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE' }],
    ['a server of another name', { names: ['orders-1.shop.svc'] }, { client: 'refused: ERR_TLS_CERT_ALTNAME_INVALID' }],
    ['a client of another authority', { clientCa: 'other' }, { server: expect.stringMatching(/^refused/) }],
    ['a client with a server leaf', { clientUsage: 'server' as const }, { server: expect.stringMatching(/^refused/) }],
  ])(
    'refuses %s',
    async (_what, o: { serverCa?: string; clientCa?: string; names?: string[]; clientUsage?: 'server' }, expected) => {
      const server = await leaf(
        { dnsNames: o.names ?? NAMES, usages: ['server'] },
        o.serverCa === 'other' ? otherCa : ca,
      );
      const client = await leaf({ usages: [o.clientUsage ?? 'client'] }, o.clientCa === 'other' ? otherCa : ca);
      expect(await handshake({ server, client, serverTrusts: ca.cert, clientTrusts: ca.cert })).toMatchObject(expected);
    },
  );

  it('trusts both authorities of a bundle during a rotation', async () => {
    const server = await leaf({ dnsNames: NAMES, usages: ['server'] }, otherCa);
    const client = await leaf({ usages: ['client'] });
    const both = bundle(ca.cert, otherCa.cert);
    expect(await handshake({ server, client, serverTrusts: both, clientTrusts: both })).toMatchObject({
      client: 'connected',
    });
  });
});

/** A certificate of an elliptic-curve key, as other makers issue them, and its key. */
async function curve(constraints: string): Promise<KeyCertificate> {
  const config = `[req]\ndistinguished_name = dn\n[dn]\n[ext]\nbasicConstraints = ${constraints}\n`;
  const folder = await mkdtemp(path.join(tmpdir(), 'quorate-tls-'));
  try {
    await writeFile(path.join(folder, 'config'), config);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key'];
    const args = ['req', '-x509', ...key, '-config', 'config', '-extensions', 'ext', '-subj', '/CN=ca'];
    const { stdout } = await run('openssl', args, { cwd: folder, timeout: 10_000 });
    return { cert: stdout, key: await readFile(path.join(folder, 'key'), 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const inDays = (days: number): Date => new Date(Date.now() + days * DAY);

describe('authorityProblem', () => {
  it.each<[string, () => Promise<KeyCertificate>, string | undefined]>([
    ['nothing', async () => ca, undefined],
    ['the key of another', async () => ({ ...ca, key: otherCa.key }), 'the key does not belong to the certificate'],
    ['a key that is none', async () => ({ ...ca, key: 'x' }), 'the key does not belong to the certificate'],
    ['a leaf', () => leaf(), 'the certificate is not an authority'],
    ['no certificate', async () => ({ ...ca, cert: '' }), 'no PEM certificate found'],
    ['a key of another kind', () => curve('CA:TRUE'), 'the key is ec, not rsa'],
  ])('%s is wrong with it, and then it signs nothing', async (_sentence, given, problem) => {
    const authority = await given();
    expect(authorityProblem(authority)).toBe(problem);
    const issued = await leaf({}, authority).then(
      () => true,
      () => false,
    );
    expect(issued).toBe(problem === undefined);
  });
});

describe('leafProblem', () => {
  it.each([
    ['nothing', {}, undefined],
    ['a wrong key', { key: true }, 'the key does not belong to the certificate'],
    ['another authority of the same name', { other: true }, 'the certificate is not signed by a trusted authority'],
    ['an expired leaf', { now: inDays(91) }, /^the certificate expired at /],
    ['an expired authority', { now: inDays(3651), validDays: 4000 }, /^the authority expired at /],
    ['a leaf from the future', { now: inDays(-1) }, /^the certificate is not valid before /],
    ['a missing usage', { usages: ['client'] as const }, 'the certificate may not be used by a server'],
    ['a missing name', { dnsNames: ['orders-9.shop.svc'] }, 'the certificate is not valid for orders-9.shop.svc'],
    ['a name that a wildcard covers', { dnsNames: ['orders-9.orders-members.shop.svc'] }, undefined],
    ['no certificate', { cert: '' }, 'no PEM certificate found'],
  ])('says %s', async (_what, o: ProblemCase, expected) => {
    const issued = await leaf({
      dnsNames: NAMES,
      usages: [...(o.usages ?? ['server', 'client'])],
      validDays: o.validDays ?? 90,
    });
    const problem = leafProblem({
      leaf: { cert: o.cert ?? issued.cert, key: o.key === true ? ca.key : issued.key },
      caBundle: o.other === true ? otherCa.cert : ca.cert,
      usages: ['server', 'client'],
      dnsNames: o.dnsNames ?? NAMES.slice(0, 1),
      ...(o.now === undefined ? {} : { now: o.now }),
    });
    if (expected instanceof RegExp) expect(problem).toMatch(expected);
    else expect(problem).toBe(expected);
  });
});

interface ProblemCase {
  key?: boolean;
  other?: boolean;
  now?: Date;
  validDays?: number;
  usages?: readonly ('server' | 'client')[];
  dnsNames?: string[];
  cert?: string;
}

describe('certificates of other makers', () => {
  it('are read whatever their key: an elliptic-curve leaf with names that need quoting', async () => {
    const names = '[alt]\nDNS = a.example\nURI = spiffe://x/y?a=1,b=2\nIP = 10.0.0.1';
    const config = `[req]\ndistinguished_name = dn\n[dn]\n[ext]\nsubjectAltName = @alt\n${names}\n`;
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key'];
    const args = ['req', '-x509', ...key, '-config', 'config', '-extensions', 'ext', '-subj', '/O=Acme, Inc/CN=svc'];
    const cert = await openssl({ config }, args);
    expect(inspect(cert)).toMatchObject({
      commonName: 'svc',
      dnsNames: ['a.example'],
      uris: ['spiffe://x/y?a=1,b=2'],
      ipAddresses: ['10.0.0.1'],
      publicKeyType: 'ec',
    });
  });
});
