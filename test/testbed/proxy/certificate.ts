// SPDX-License-Identifier: Apache-2.0
// The certificate that the fault proxy serves: signed by the cluster's own CA, so that pods trust it as the API server.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import forge from 'node-forge';

const generate = promisify(generateKeyPair);
const days = 3650;

/** Makes `fault-proxy.crt` and `.key` once in the folder that holds `ca.crt` and `ca.key`. */
export async function ensureProxyCertificate(pki: string, addresses: readonly string[]): Promise<void> {
  const file = path.join(pki, 'fault-proxy');
  if (existsSync(`${file}.crt`)) return;
  const [caPem, caKey] = await Promise.all([
    readFile(path.join(pki, 'ca.crt'), 'utf8'),
    readFile(path.join(pki, 'ca.key'), 'utf8'),
  ]);
  const { privateKey, publicKey } = await generate('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const leaf = forge.pki.createCertificate();
  leaf.publicKey = forge.pki.publicKeyFromPem(publicKey);
  leaf.serialNumber = `00${randomBytes(15).toString('hex')}`;
  leaf.validity.notBefore = new Date(Date.now() - 3_600_000);
  leaf.validity.notAfter = new Date(Date.now() + days * 86_400_000);
  leaf.setSubject([{ name: 'commonName', value: 'fault-proxy' }]);
  leaf.setIssuer(forge.pki.certificateFromPem(caPem).subject.attributes);
  leaf.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: addresses.map((ip) => ({ type: 7, ip })) },
  ]);
  leaf.sign(forge.pki.privateKeyFromPem(caKey), forge.md.sha256.create());
  await writeFile(`${file}.key`, privateKey, { mode: 0o600 });
  // The certificate comes last, whole: it is what says that both are there.
  await writeFile(`${file}.crt.making`, forge.pki.certificateToPem(leaf), { mode: 0o600 });
  await rename(`${file}.crt.making`, `${file}.crt`);
}
