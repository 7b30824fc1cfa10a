// SPDX-License-Identifier: Apache-2.0
// What comes from others: pinned, checked by hash, without code that runs at installation, and under a licence that allows it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

interface Locked {
  integrity?: string;
  resolved?: string;
  license?: string;
  dev?: boolean;
  devOptional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const root = path.resolve(import.meta.dirname, '../..');
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
const manifest: Record<'dependencies' | 'devDependencies', Record<string, string>> = JSON.parse(text('package.json'));
const lock: { packages: Record<string, Locked> } = JSON.parse(text('package-lock.json'));
const packages = Object.entries(lock.packages).filter(([folder]) => folder !== '');
const shipped = packages.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
/** Native halves of development tools for platforms on which neither the testbed nor the image is built. */
const foreign = packages.filter(
  ([, { dev, os, cpu, libc }]) =>
    dev === true &&
    !(os?.includes('linux') === true && cpu?.includes('x64') === true && libc?.includes('musl') !== true) &&
    os !== undefined,
);
const allowed = [
  'Apache-2.0',
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '(BSD-3-Clause OR GPL-2.0)',
  '0BSD',
  'Unlicense',
  'PSF-2.0',
];

describe('packages of others', () => {
  it('are pinned to one version each', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it('are checked by hash, wherever they come from', () => {
    const unhashed = packages.filter((entry) => entry[1].integrity?.startsWith('sha512-') !== true);
    expect(unhashed.filter((entry) => !foreign.includes(entry)).map(([folder]) => folder)).toEqual([]);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([folder]) => folder)).toEqual([]);
  });

  it('are all in the lockfile, also those for other platforms, or it could not be installed from', () => {
    const names = packages.flatMap(([, { optionalDependencies = {} }]) => Object.keys(optionalDependencies));
    expect(names.filter((name) => lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });

  it('run no code of theirs at installation, which follows the lockfile', () => {
    expect(text('.npmrc')).toContain('ignore-scripts=true');
    expect(text('Makefile')).not.toMatch(/npm (?:install|i)\b/);
  });

  it('are shipped only under licences that allow it', () => {
    expect(
      shipped
        .filter(([, { license }]) => !allowed.includes(license ?? ''))
        .map(([folder, { license }]) => [folder, license]),
    ).toEqual([]);
  });

  it('that are shipped stay within a budget', () => {
    expect(shipped.length).toBeLessThanOrEqual(160);
  });
});
