// SPDX-License-Identifier: Apache-2.0
// The rules of the house that no compiler knows: which folder may import which, and what no source file may hold.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

const root = path.resolve(import.meta.dirname, '../..');
/** What git knows or would add: nothing that is built or downloaded. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(path.join(root, file)));
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
const typescript = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.gen.ts'));
const source = typescript.filter((file) => file.startsWith('src/'));
const shipped = source.filter((file) => !file.endsWith('.test.ts'));

/** Folder of src → folders of src that it may import. A folder that is missing here fails the test. */
const mayImport: Record<string, string[]> = {
  telemetry: [],
  runtime: ['telemetry'],
  etcd: [],
  tls: [],
  api: ['runtime'],
  cluster: ['api', 'runtime', 'telemetry', 'etcd', 'tls'],
  backup: ['api', 'runtime', 'telemetry', 'etcd', 'tls'],
};

/** `src/x/y.ts` → `x`; files directly in src wire the rest and may import anything. */
const layerOf = (file: string): string | undefined => /^src\/([^/]+)\//.exec(file)?.[1];

function imports(file: string): string[] {
  const specifiers = [...text(file).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) => match[1] ?? '');
  return specifiers.map((specifier) => path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)));
}

function offenders(candidates: string[], pattern: RegExp): string[] {
  return candidates.flatMap((file) =>
    text(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe('layers', () => {
  it('imports point one way', () => {
    const wrong = source.flatMap((file) => {
      const from = layerOf(file);
      if (from === undefined) return [];
      return imports(file)
        .filter((target) => layerOf(target) !== from && !mayImport[from]?.includes(layerOf(target) ?? ''))
        .map((target) => `${file} imports ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('every folder of src has its place', () => {
    const folders = new Set(source.map(layerOf).filter((layer) => layer !== undefined));
    expect([...folders].filter((layer) => !(layer in mayImport))).toEqual([]);
  });

  it('nothing that is shipped imports tests or scripts', () => {
    expect(
      shipped.flatMap((file) => imports(file).filter((target) => /^(?:test|scripts)\/|\.test\.ts$/.test(target))),
    ).toEqual([]);
  });
});

describe('source files', () => {
  it('carry the licence and a sentence that says what the file is for', () => {
    const wrong = typescript.filter(
      (file) => !/^(?:#!.*\n)?\/\/ SPDX-License-Identifier: Apache-2\.0\n\/\/ \S/.test(text(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('read the environment in main.ts only', () => {
    expect(
      offenders(
        shipped.filter((file) => file !== 'src/main.ts'),
        /process\.env\b/,
      ),
    ).toEqual([]);
  });

  it('start no shell', () => {
    expect(offenders(shipped, /shell:\s*true|\bexecSync\(|import .*\bexec\b.* from 'node:child_process'/)).toEqual([]);
  });

  it('evaluate no code', () => {
    expect(offenders(shipped, /\beval\(|new Function\(|from 'node:vm'/)).toEqual([]);
  });

  it('neither list nor watch Secrets', () => {
    expect(offenders(shipped, /\b(?:list|watch)(?:<[^>]*>)?\(\s*secret(?:s|Resource)\b/)).toEqual([]);
  });

  it('promise nothing for later, and skip or focus no test', () => {
    const promises = new RegExp(['TO', 'DO|FIX', 'ME'].join(''));
    expect(offenders(typescript, promises)).toEqual([]);
    expect(
      offenders(
        typescript.filter((file) => file.endsWith('.test.ts')),
        /\b(?:it|test|describe)\.(?:skip|only|todo)\b/,
      ),
    ).toEqual([]);
  });
});

describe('the repository', () => {
  it('names no package registry', () => {
    // Resolved addresses in the lockfile would tie every build to one place.
    const hosts = /\b(?:registry\.(?:npmjs|yarnpkg)\.\w+|proxy\.golang\.\w+|deb\.debian\.\w+|npm\.pkg\.github\.\w+)/;
    expect(
      offenders(
        files.filter((file) => file !== 'test/unit/layers.test.ts'),
        hosts,
      ),
    ).toEqual([]);
  });

  it('has examples that parse and carry a kind and a name', () => {
    const examples = files.filter((file) => /^examples\/.*\.yaml$/.test(file));
    expect(examples).toContain('examples/quickstart.yaml');
    for (const file of examples) {
      for (const document of parseAllDocuments(text(file))) {
        expect({ file, errors: document.errors }).toEqual({ file, errors: [] });
        expect({ file, ...document.toJS() }).toMatchObject({
          file,
          apiVersion: expect.any(String),
          kind: expect.any(String),
          metadata: { name: expect.any(String) },
        });
      }
    }
  });

  it('has no link in its documents that leads nowhere', () => {
    const dead = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...text(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
          .map((match) => path.join(path.dirname(file), match[1] ?? ''))
          .filter((target) => !existsSync(path.join(root, target)))
          .map((target) => `${file}: ${target}`),
      );
    expect(dead).toEqual([]);
  });

  it('has a first example of ten lines', () => {
    expect(text('examples/quickstart.yaml').trimEnd().split('\n').length).toBeLessThanOrEqual(10);
  });
});
