// SPDX-License-Identifier: Apache-2.0
// The Debian packages that a machine needs for the testbed and the tests, and how they are installed.
import { existsSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from './run.ts';

/** Programs and their packages. */
const ENGINE = { dockerd: 'docker.io', iptables: 'iptables' };
const ALWAYS = {
  debootstrap: 'debootstrap',
  ip: 'iproute2',
  // Tests judge our certificates and backups with these.
  openssl: 'openssl',
  // Debug symbols have no place in the image.
  strip: 'binutils',
  zstd: 'zstd',
};

const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Packages that are not there; those of the engine only where it is to be our own. */
export function missingPackages(o: { engine: boolean }): string[] {
  return Object.entries(o.engine ? { ...ENGINE, ...ALWAYS } : ALWAYS)
    .filter(([program]) => !folders.some((folder) => existsSync(path.join(folder, program))))
    .map(([, name]) => name);
}

/** Installs Debian packages without letting them start services. */
export async function installPackages(packages: readonly string[], log: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`${packages.join(', ')} must be installed, which needs root`);
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) {
    await writeFile(policy, '#!/bin/sh\nexit 101\n');
    await chmod(policy, 0o755);
  }
  try {
    const o = { log, timeoutMs: 10 * 60_000, env: { DEBIAN_FRONTEND: 'noninteractive' } };
    // Some mirror may be away while the wanted package is not.
    await run('apt-get', ['update', '-q'], { ...o, allowFailure: true });
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], o);
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}
