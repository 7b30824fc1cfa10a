// SPDX-License-Identifier: Apache-2.0
// Collects the licences of everything that went into a bundle, from the list of files that esbuild reports.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Metafile } from 'esbuild';

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly texts: readonly string[];
}

const RULE = '='.repeat(100);

/** What was taken from elsewhere without being a package. */
const VENDORED: readonly Package[] = [
  {
    name: 'etcd (src/etcd/proto/etcd.proto, trimmed from api/v3)',
    version: '3.7.3',
    license: 'Apache-2.0',
    texts: ['Copyright The etcd Authors. The text of the Apache License, Version 2.0, is in LICENSE and below.'],
  },
];

/** Names, versions and full licence texts, sorted by name. Rejects if a package states no licence. */
export async function thirdPartyLicenses(root: string, metafile: Metafile): Promise<string> {
  const folders = new Set(Object.keys(metafile.inputs).flatMap(packageFolder));
  const packages = await Promise.all([...folders].map((folder) => read(root, folder)));
  const sorted = [...VENDORED, ...packages].toSorted((a, b) =>
    compare(`${a.name}@${a.version}`, `${b.name}@${b.version}`),
  );
  const parts = sorted.map((p) => `${RULE}\n${p.name} ${p.version}\nLicence: ${p.license}\n\n${p.texts.join('\n\n')}`);
  return `Quorate is made with the following software of others.\n\n${parts.join('\n\n')}\n`;
}

/** By code unit: the order of a locale would differ between machines. */
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** `node_modules/a/node_modules/@b/c/lib/x.js` → `node_modules/a/node_modules/@b/c` */
function packageFolder(input: string): string[] {
  const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
  return match?.[1] === undefined ? [] : [match[1]];
}

async function read(root: string, folder: string): Promise<Package> {
  const directory = path.join(root, folder);
  const manifest: unknown = JSON.parse(await readFile(path.join(directory, 'package.json'), 'utf8'));
  const { name, version, license } = fields(manifest);
  const files = (await readdir(directory)).filter((f) => /^(licen[cs]e|copying|notice)/i.test(f)).toSorted(compare);
  const texts = await Promise.all(files.map(async (f) => (await readFile(path.join(directory, f), 'utf8')).trim()));
  if (license === '' && texts.length === 0) throw new Error(`${folder} states no licence`);
  return { name, version, license, texts: texts.map((t) => t.replaceAll('\r\n', '\n')) };
}

function fields(manifest: unknown): { name: string; version: string; license: string } {
  const text = (key: string): string => {
    const value: unknown = typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, key) : undefined;
    return typeof value === 'string' ? value : '';
  };
  return { name: text('name'), version: text('version'), license: text('license') };
}
