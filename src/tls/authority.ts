// SPDX-License-Identifier: Apache-2.0
// Issues certificate authorities and leaves: node-forge writes the certificate, the native crypto library signs it.
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import forge from 'node-forge';
import { TlsError } from './errors.ts';
import { parseCertificates } from './inspect.ts';
import { generateKey } from './keys.ts';

/** PEM texts; the key is PKCS#8. */
export interface KeyCertificate {
  cert: string;
  key: string;
}

export interface AuthorityRequest {
  commonName: string;
  /** Default 3650. */
  validDays?: number;
  /** PKCS#8 PEM; a new RSA-3072 key by default. */
  key?: string;
  now?: Date;
}

export interface LeafRequest {
  commonName: string;
  organization?: string;
  dnsNames?: string[];
  ipAddresses?: string[];
  uris?: string[];
  usages: ('server' | 'client')[];
  /** Default 90. */
  validDays?: number;
  /** PKCS#8 PEM; a new RSA-2048 key by default. */
  key?: string;
  now?: Date;
}

type Certificate = forge.pki.Certificate;
type Fields = forge.pki.CertificateField[];

const DAY_MS = 86_400_000;

/** Certificates begin in the past, because clocks of nodes differ. */
const BACK_DATED_MS = 5 * 60_000;

/** sha256WithRSAEncryption */
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

/** A self-signed authority. Throws TlsError if the key is not an RSA key. */
export async function createAuthority(o: AuthorityRequest): Promise<KeyCertificate> {
  const key = o.key ?? (await generateKey(3072));
  const privateKey = rsaKey(key);
  const subject = nameFields(o.commonName);
  const cert = draft(privateKey, subject, subject, validity(o.now, o.validDays ?? 3650));
  cert.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
    // node-forge would leave the identifier out: verifiers then cannot tell two authorities of one name apart.
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(cert) },
  ]);
  return { cert: await signed(cert, privateKey), key };
}

/**
 * A leaf signed by `ca`, valid from five minutes ago. Without any name given it has no subject alternative names.
 * Throws TlsError if a certificate or key cannot be used or the authority's key is not its certificate's.
 */
export async function issueLeaf(ca: KeyCertificate, r: LeafRequest): Promise<KeyCertificate> {
  const authority = readAuthority(ca);
  const key = r.key ?? (await generateKey(2048));
  const subject = nameFields(r.commonName, r.organization);
  const cert = draft(
    rsaKey(key),
    subject,
    authority.certificate.subject.attributes,
    validity(r.now, r.validDays ?? 90),
  );
  const altNames = alternativeNames(r);
  cert.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: r.usages.includes('server'), clientAuth: r.usages.includes('client') },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(authority.certificate) },
    ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }]),
  ]);
  return { cert: await signed(cert, authority.key), key };
}

function readAuthority(ca: KeyCertificate): { certificate: Certificate; key: KeyObject } {
  const key = rsaKey(ca.key);
  const x509 = parseCertificates(ca.cert)[0];
  if (x509 === undefined || !x509.ca) throw new TlsError('InvalidCertificate', 'the certificate is not an authority');
  if (!x509.checkPrivateKey(key)) throw new TlsError('KeyMismatch', "the key is not the authority's");
  try {
    return { certificate: forge.pki.certificateFromPem(x509.toString()), key };
  } catch (cause) {
    throw new TlsError('InvalidCertificate', "the authority's certificate cannot be read", cause);
  }
}

function rsaKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new TlsError('InvalidKey', 'the private key cannot be read', cause);
  }
  if (key.asymmetricKeyType !== 'rsa') {
    throw new TlsError('UnsupportedKey', `the private key is ${key.asymmetricKeyType ?? 'unknown'}, not rsa`);
  }
  return key;
}

function nameFields(commonName: string, organization?: string): Fields {
  return [
    ...(organization === undefined ? [] : [utf8Field('organizationName', organization)]),
    utf8Field('commonName', commonName),
  ];
}

/** node-forge writes PrintableString by default, which Go refuses for characters such as `_` and `*`. */
function utf8Field(name: string, value: string): forge.pki.CertificateField {
  const field = { name, value };
  // Set by name, because the published types give this property the wrong enumeration.
  Reflect.set(field, 'valueTagClass', forge.asn1.Type.UTF8);
  return field;
}

function validity(now = new Date(), days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now.getTime() - BACK_DATED_MS), notAfter: new Date(now.getTime() + days * DAY_MS) };
}

function draft(
  key: KeyObject,
  subject: Fields,
  issuer: Fields,
  valid: { notBefore: Date; notAfter: Date },
): Certificate {
  const cert = forge.pki.createCertificate();
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  cert.publicKey = forge.pki.publicKeyFromPem(publicKey.toString());
  cert.serialNumber = newSerial();
  cert.validity.notBefore = valid.notBefore;
  cert.validity.notAfter = valid.notAfter;
  cert.setSubject(subject);
  cert.setIssuer(issuer);
  return cert;
}

/** 16 random bytes; node-forge copies them as they are, so the first one must make a short positive integer. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** The identifier that verifiers use to find the issuer: what the certificate states, else what RFC 5280 would compute. */
function keyIdentifier(cert: Certificate): string {
  const stated: { subjectKeyIdentifier?: string } | undefined = cert.getExtension('subjectKeyIdentifier');
  return stated?.subjectKeyIdentifier === undefined
    ? cert.generateSubjectKeyIdentifier().getBytes()
    : forge.util.hexToBytes(stated.subjectKeyIdentifier);
}

function alternativeNames(r: LeafRequest): object[] {
  return [
    ...(r.dnsNames ?? []).map((value) => ({ type: 2, value })),
    ...(r.uris ?? []).map((value) => ({ type: 6, value })),
    ...(r.ipAddresses ?? []).map((ip) => ({ type: 7, ip })),
  ];
}

/** What Certificate.sign does, with the signature made by the thread pool instead of JavaScript on the event loop. */
async function signed(cert: Certificate, key: KeyObject): Promise<string> {
  cert.signatureOid = SHA256_WITH_RSA;
  cert.siginfo.algorithmOid = SHA256_WITH_RSA;
  cert.tbsCertificate = forge.pki.getTBSCertificate(cert);
  const tbs = Buffer.from(forge.asn1.toDer(cert.tbsCertificate).getBytes(), 'binary');
  const signature = await new Promise<Buffer>((resolve, reject) => {
    sign('sha256', tbs, key, (error, value) => (error === null ? resolve(value) : reject(error)));
  });
  cert.signature = signature.toString('binary');
  return forge.pki.certificateToPem(cert).replaceAll('\r\n', '\n');
}
