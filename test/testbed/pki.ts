// SPDX-License-Identifier: Apache-2.0
// The cluster's own certificate authority, the certificates of its parts, and their kubeconfig files.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { ADDRESSES, API_PORT, FILES, NODES } from './config.ts';

const generate = promisify(generateKeyPair);
const YEARS = 10;

interface Identity {
  readonly file: string;
  readonly commonName: string;
  readonly organization?: string;
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
}

const IDENTITIES: readonly Identity[] = [
  {
    file: 'apiserver',
    commonName: 'kube-apiserver',
    names: [
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      'localhost',
    ],
    addresses: [ADDRESSES.controlPlane, ADDRESSES.kubernetesService, '127.0.0.1'],
  },
  { file: 'apiserver-kubelet-client', commonName: 'apiserver-kubelet-client', organization: 'system:masters' },
  { file: 'admin', commonName: 'admin', organization: 'system:masters' },
  { file: 'controller-manager', commonName: 'system:kube-controller-manager' },
  { file: 'scheduler', commonName: 'system:kube-scheduler' },
  { file: 'proxy', commonName: 'system:kube-proxy' },
  { file: 'csi-controller', commonName: 'testbed:csi-controller' },
  ...NODES.map((node) => ({
    file: node.name,
    commonName: `system:node:${node.name}`,
    organization: 'system:nodes',
    names: [node.name],
    addresses: [node.address],
  })),
];

async function rsaKey(): Promise<{ privateKey: string; publicKey: string }> {
  return generate('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

function blank(publicKey: string): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = `00${randomBytes(15).toString('hex')}`;
  const now = Date.now();
  certificate.validity.notBefore = new Date(now - 3_600_000);
  certificate.validity.notAfter = new Date(now + YEARS * 365 * 86_400_000);
  return certificate;
}

function leaf(identity: Identity, publicKey: string, authority: forge.pki.Certificate, key: forge.pki.rsa.PrivateKey) {
  const certificate = blank(publicKey);
  const organization =
    identity.organization === undefined ? [] : [{ name: 'organizationName', value: identity.organization }];
  certificate.setSubject([...organization, { name: 'commonName', value: identity.commonName }]);
  certificate.setIssuer(authority.subject.attributes);
  const altNames = [
    ...(identity.names ?? []).map((value) => ({ type: 2, value })),
    ...(identity.addresses ?? []).map((ip) => ({ type: 7, ip })),
  ];
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ]);
  certificate.sign(key, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}

const kubeconfig = (server: string, cluster: string, user: string): string => `apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster: {server: "${server}", ${cluster}}
users:
- name: testbed
  user: {${user}}
contexts:
- name: testbed
  context: {cluster: testbed, user: testbed}
current-context: testbed
`;

async function writePki(folder: string): Promise<void> {
  const put = async (name: string, text: string) => {
    await writeFile(path.join(folder, name), text, { mode: 0o600 });
  };
  const authorityKeys = await rsaKey();
  const authorityKey = forge.pki.privateKeyFromPem(authorityKeys.privateKey);
  const authority = blank(authorityKeys.publicKey);
  authority.setSubject([{ name: 'commonName', value: 'quorate-testbed' }]);
  authority.setIssuer(authority.subject.attributes);
  authority.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  authority.sign(authorityKey, forge.md.sha256.create());
  await put('ca.crt', forge.pki.certificateToPem(authority));
  await put('ca.key', authorityKeys.privateKey);
  const serviceAccounts = await rsaKey();
  await put('service-accounts.key', serviceAccounts.privateKey);
  await put('service-accounts.pub', serviceAccounts.publicKey);
  await Promise.all(
    IDENTITIES.map(async (identity) => {
      const keys = await rsaKey();
      await put(`${identity.file}.key`, keys.privateKey);
      await put(`${identity.file}.crt`, leaf(identity, keys.publicKey, authority, authorityKey));
      await put(
        `${identity.file}.kubeconfig`,
        kubeconfig(
          `https://${ADDRESSES.controlPlane}:${API_PORT}`,
          'certificate-authority: /pki/ca.crt',
          `client-certificate: /pki/${identity.file}.crt, client-key: /pki/${identity.file}.key`,
        ),
      );
    }),
  );
}

/** Makes the keys and certificates once; they stay as long as the state folder does. */
export async function ensurePki(): Promise<void> {
  if (existsSync(FILES.pki)) return;
  const making = `${FILES.pki}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  await writePki(making);
  await rename(making, FILES.pki);
}

const data = async (file: string): Promise<string> => (await readFile(path.join(FILES.pki, file))).toString('base64');

/** The kubeconfig of people and tests: an administrator, through the published port. */
export async function writeKubeconfig(port: number): Promise<void> {
  const text = kubeconfig(
    `https://127.0.0.1:${port}`,
    `certificate-authority-data: ${await data('ca.crt')}`,
    `client-certificate-data: ${await data('admin.crt')}, client-key-data: ${await data('admin.key')}`,
  );
  await writeFile(FILES.kubeconfig, text, { mode: 0o600 });
  await chmod(FILES.kubeconfig, 0o600);
}
