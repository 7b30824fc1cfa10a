// SPDX-License-Identifier: Apache-2.0
// Bundles the operator into one file that needs nothing but Node, the same bytes at every build, with its licences beside it.
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile } from 'esbuild';
import { kubeConfigOnly, protocolsInside, requiredBuiltins, smallerModules } from './lib/bundle-plugins.ts';
import { thirdPartyLicenses } from './lib/licenses.ts';

const ROOT = path.resolve(import.meta.dirname, '..');

/** Some packages are CommonJS and ask for Node's own modules at run time. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

export interface BundleRequest {
  /** Default `src/main.ts`. */
  entry?: string;
  /** Default `dist`. */
  folder?: string;
}

export interface BundleResult {
  readonly file: string;
  readonly licenses: string;
  readonly bytes: number;
  readonly metafile: Metafile;
}

/** Writes `quorate.mjs` and `THIRD_PARTY_LICENSES.txt`. Rejects if anything is missing, a licence included. */
export async function bundle(o: BundleRequest = {}): Promise<BundleResult> {
  const folder = path.resolve(ROOT, o.folder ?? 'dist');
  const file = path.join(folder, 'quorate.mjs');
  await mkdir(folder, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [o.entry ?? 'src/main.ts'],
    outfile: file,
    bundle: true,
    platform: 'node',
    // ES modules: their start is a little slower than that of CommonJS, their memory is smaller, and main.ts may await.
    format: 'esm',
    target: 'node22',
    // Names of functions stay, for readable stacks; everything else goes, because the text of a module stays in memory.
    minifyWhitespace: true,
    minifySyntax: true,
    // An uncaught error prints the line that it comes from: that must not be the whole program.
    lineLimit: 160,
    legalComments: 'none',
    // One character beyond Latin-1 would double the memory of the whole text.
    charset: 'ascii',
    banner: { js: REQUIRE },
    // undici's own word for a bundle without its second, experimental parser.
    define: { esbuildDetection: 'true' },
    plugins: [protocolsInside, kubeConfigOnly, requiredBuiltins, smallerModules],
    metafile: true,
    logLevel: 'warning',
  });
  const licenses = path.join(folder, 'THIRD_PARTY_LICENSES.txt');
  await writeFile(licenses, await thirdPartyLicenses(ROOT, metafile));
  return { file, licenses, bytes: (await stat(file)).size, metafile };
}

async function main(): Promise<void> {
  const [entry, folder] = process.argv.slice(2);
  const result = await bundle({
    ...(entry === undefined ? {} : { entry }),
    ...(folder === undefined ? {} : { folder }),
  });
  const licenses = (await readFile(result.licenses, 'utf8')).match(/^={10,}$/gm)?.length ?? 0;
  const shown = path.relative(ROOT, result.file);
  process.stdout.write(`${shown}: ${(result.bytes / 1e6).toFixed(2)} MB, ${licenses} licences of others\n`);
}

if (import.meta.main) await main();
