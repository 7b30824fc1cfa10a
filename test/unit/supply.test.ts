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
}

const root = path.resolve(import.meta.dirname, '../..');
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
const manifest: Record<'dependencies' | 'devDependencies', Record<string, string>> = JSON.parse(text('package.json'));
const lock: { packages: Record<string, Locked> } = JSON.parse(text('package-lock.json'));
const packages = Object.entries(lock.packages).filter(([folder]) => folder !== '');
const shipped = packages.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
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
    expect(
      packages.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true).map(([folder]) => folder),
    ).toEqual([]);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([folder]) => folder)).toEqual([]);
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
