// SPDX-License-Identifier: Apache-2.0
// Generates what the chart and deploy/ repeat: CRD copies, the rules of the roles, deploy/install.yaml. `--check` only compares.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../test/testbed/config.ts';
import { run } from '../test/testbed/run.ts';
import { findHelm } from './lib/tools.ts';
import { aggregated, type Grant, grants } from './rbac.ts';

const chart = path.join(ROOT, 'charts/quorate');

type Rule = Pick<Grant, 'group' | 'resources' | 'verbs'> & { why?: string };

function rule({ group, resources, verbs, why }: Rule): string {
  const comment = why === undefined ? '' : `# ${why}\n`;
  return `${comment}- apiGroups: ["${group}"]\n  resources: [${resources.join(', ')}]\n  verbs: [${verbs.join(', ')}]`;
}

/** Named templates, one per role: the chart includes them where the role needs them. */
export function renderRules(): string {
  const roles: [string, Rule[]][] = [
    ['watched', grants.filter(({ scope }) => scope === 'watched')],
    ['own', grants.filter(({ scope }) => scope === 'own')],
    ['view', aggregated.view],
    ['edit', aggregated.edit],
  ];
  const templates = roles.map(
    ([name, rules]) => `{{- define "quorate.rules.${name}" -}}\n${rules.map(rule).join('\n')}\n{{- end -}}\n`,
  );
  return ['{{- /* Generated from scripts/rbac.ts by `make generate`. */ -}}\n', ...templates].join('\n');
}

const header = `# Quorate in one file: namespace, custom resource definitions, roles, the operator.
# Generated from charts/quorate by \`make generate\`. Put your own image in place of the one named here, in both places, then:
#   kubectl apply --server-side -f deploy/install.yaml
`;

const namespace = `apiVersion: v1
kind: Namespace
metadata:
  name: quorate-system
  labels:
    pod-security.kubernetes.io/enforce: restricted
`;

/** Without what is only true of a Helm release. */
async function renderInstall(): Promise<string> {
  const args = [
    'template',
    'quorate',
    chart,
    '--namespace',
    'quorate-system',
    '--kube-version',
    '1.31.0',
    '--set',
    'crds.keep=false',
  ];
  const { stdout } = await run(await findHelm(), args);
  const plain = stdout
    .split('\n')
    .filter((line) => !/^\s*helm\.sh\/chart:|^\s*app\.kubernetes\.io\/managed-by: Helm$|^# Source:/.test(line))
    .join('\n')
    .replaceAll(/\n{2,}/g, '\n');
  return `${header}---\n${namespace}${plain.startsWith('---') ? '' : '---\n'}${plain.trimEnd()}\n`;
}

async function generated(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const file of (await readdir(path.join(ROOT, 'crds'))).filter((name) => name.endsWith('.yaml')).toSorted()) {
    files.set(`charts/quorate/files/crds/${file}`, await readFile(path.join(ROOT, 'crds', file), 'utf8'));
  }
  files.set('charts/quorate/templates/_rules.gen.tpl', renderRules());
  return files;
}

async function current(file: string): Promise<string | undefined> {
  return readFile(path.join(ROOT, file), 'utf8').catch(() => undefined);
}

async function stale(): Promise<string[]> {
  const folder = 'charts/quorate/files/crds';
  const present = await readdir(path.join(ROOT, folder)).catch(() => []);
  const wanted = await generated();
  return present.map((name) => `${folder}/${name}`).filter((file) => !wanted.has(file));
}

async function check(): Promise<string[]> {
  const problems = (await stale()).map((file) => `${file} has no source any more`);
  const wanted = await generated();
  wanted.set('deploy/install.yaml', await renderInstall());
  for (const [file, text] of wanted)
    if ((await current(file)) !== text) problems.push(`${file} differs from its source`);
  return problems;
}

async function put(file: string, text: string): Promise<void> {
  if ((await current(file)) === text) return;
  await mkdir(path.dirname(path.join(ROOT, file)), { recursive: true });
  await writeFile(path.join(ROOT, file), text);
  process.stdout.write(`${file}\n`);
}

async function write(): Promise<void> {
  for (const file of await stale()) await rm(path.join(ROOT, file));
  for (const [file, text] of await generated()) await put(file, text);
  // Rendered from the chart as it is now, so after the rest.
  await put('deploy/install.yaml', await renderInstall());
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problems = await check();
    for (const problem of problems) process.stderr.write(`${problem}: run make generate\n`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } else {
    await write();
  }
}
