// SPDX-License-Identifier: Apache-2.0
// Reads certificates of any key type, and joins PEM bundles.
import { X509Certificate } from 'node:crypto';
import { TlsError } from './errors.ts';

/** What a certificate says. Hexadecimal values are lower case, without separators. */
export interface CertificateFacts {
  serial: string;
  subject: string;
  commonName: string;
  issuer: string;
  notBefore: Date;
  notAfter: Date;
  dnsNames: string[];
  ipAddresses: string[];
  uris: string[];
  /** SHA-256 of the DER form. */
  fingerprint: string;
  isAuthority: boolean;
  /** `rsa`, `ec`, `ed25519`, … */
  publicKeyType: string;
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Every certificate of a PEM text, in order. Throws TlsError if there is none or one cannot be read. */
export function parseCertificates(pem: string): [X509Certificate, ...X509Certificate[]] {
  const [first, ...others] = pem.match(PEM_BLOCK) ?? [];
  if (first === undefined) throw new TlsError('InvalidCertificate', 'no PEM certificate found');
  return [parse(first), ...others.map(parse)];
}

function parse(block: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (cause) {
    throw new TlsError('InvalidCertificate', 'the PEM certificate cannot be read', cause);
  }
}

const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

/** Facts of the first certificate of a PEM text. Throws TlsError `InvalidCertificate`. */
export function inspect(pem: string): CertificateFacts {
  const [certificate] = parseCertificates(pem);
  const names = alternativeNames(certificate.subjectAltName);
  const commonName: string | string[] | undefined = certificate.toLegacyObject().subject?.CN;
  return {
    serial: certificate.serialNumber.toLowerCase(),
    subject: oneLine(certificate.subject),
    commonName: (Array.isArray(commonName) ? commonName[0] : commonName) ?? '',
    issuer: oneLine(certificate.issuer),
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    dnsNames: names.filter((n) => n.type === 'DNS').map((n) => n.value),
    ipAddresses: names.filter((n) => n.type === 'IP Address').map((n) => shortest(n.value)),
    uris: names.filter((n) => n.type === 'URI').map((n) => n.value),
    fingerprint: fingerprintOf(certificate),
    isAuthority: certificate.ca,
    publicKeyType: certificate.publicKey.asymmetricKeyType ?? 'unknown',
  };
}

/** Node gives a distinguished name as lines, or nothing for an empty one. */
const oneLine = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');

/** Node writes IPv6 addresses in full; everybody else writes the short form. */
const shortest = (ip: string): string => (ip.includes(':') ? new URL(`http://[${ip}]`).hostname.slice(1, -1) : ip);

/** Node joins the names by comma and writes a value that itself holds a separator as a JSON string. */
function alternativeNames(text: string | undefined): { type: string; value: string }[] {
  return [...(text ?? '').matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)].map(
    ([, type = '', raw = '']) => ({
      type,
      value: raw.startsWith('"') ? String(JSON.parse(raw)) : raw,
    }),
  );
}

/** One PEM bundle of all certificates given, each once (by fingerprint), in the order of first appearance. */
export function bundle(...pems: string[]): string {
  const seen = new Map(pems.flatMap(parseCertificates).map((c) => [fingerprintOf(c), c.toString()]));
  return [...seen.values()].map((pem) => `${pem.trimEnd()}\n`).join('');
}
