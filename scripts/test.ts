// SPDX-License-Identifier: Apache-2.0
// `make test`: set-up, static checks, all tests; streams what happens and ends with `N passed, N failed`.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { auditMark } from '../test/testbed/audit.ts';
import { FILES, ROOT } from '../test/testbed/config.ts';
import { kubectl, kubectlResult } from '../test/testbed/kubectl.ts';
import { missingPackages } from '../test/testbed/packages.ts';
import { findHelm } from './lib/tools.ts';

const stages = ['setup', 'check', 'unit', 'integration', 'e2e', 'teardown'] as const;
type Stage = (typeof stages)[number];

const SETUP = 'the testbed is up, with the operator';
const total = { passed: 0, failed: 0 };
const started = performance.now();
const say = (line: string) => process.stdout.write(`${line}\n`);
const since = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** What failed, and why, where a test says it: the end of the output is all that some people see. */
const failures: { what: string; why: string }[] = [];

function count(passed: boolean, what: string, why = ''): void {
  total[passed ? 'passed' : 'failed'] += 1;
  if (!passed) failures.push({ what, why });
}

let running: ChildProcess | undefined;

/** Streams the output; resolves with the exit status. */
function stream(command: string, args: string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    running = child;
    child.on('error', (error) => {
      say(error.message);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** One program is one test. */
async function check(name: string, command: string, args: string[]): Promise<boolean> {
  const from = performance.now();
  const passed = (await stream(command, args)) === 0;
  say(`${passed ? '✓' : '✗'} ${name} (${since(from)})`);
  count(passed, name);
  return passed;
}

async function staticChecks(): Promise<void> {
  const node = process.execPath;
  await check('types', node, ['--run', 'types']);
  await check('lint', node, ['--run', 'lint']);
  await check('format', node, ['--run', 'format']);
  await check('unused files, exports and packages', node, ['--run', 'unused']);
  await check('generated API files are fresh', node, ['scripts/generate.ts', '--check']);
  await check('generated chart files are fresh', node, ['scripts/chart.ts', '--check']);
  const helm = await findHelm().catch((error: Error) => (say(error.message), 'helm'));
  await check('chart lint', helm, ['lint', '--strict', '--quiet', 'charts/quorate']);
}

interface Report {
  numPassedTests: number;
  numTotalTests: number;
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; fullName: string; failureMessages?: string[] }[];
  }[];
}

/** Every test that did not pass has failed, also one that was skipped; a file that did not load is one failure. */
async function vitest(project: 'unit' | 'integration' | 'e2e' | 'testbed', filters: string[]): Promise<void> {
  await mkdir(path.join(ROOT, 'coverage'), { recursive: true });
  const file = path.join(ROOT, `coverage/${project}.json`);
  await rm(file, { force: true });
  const before = total.failed;
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', project, '--reporter=default', '--reporter=json'];
  const status = await stream(process.execPath, [
    ...args,
    `--outputFile.json=${file}`,
    '--passWithNoTests',
    ...filters,
  ]);
  const report: Report = await readFile(file, 'utf8').then(JSON.parse, () => ({
    numPassedTests: 0,
    numTotalTests: 0,
    testResults: [],
  }));
  for (const result of report.testResults) {
    for (const { status: outcome, fullName, failureMessages } of result.assertionResults)
      count(outcome === 'passed', fullName, failureMessages?.join('\n'));
    const named = result.assertionResults.some(({ status: outcome }) => outcome !== 'passed');
    if (result.status !== 'passed' && !named) count(false, path.relative(ROOT, result.name), result.message);
  }
  // Errors outside of tests, or no report at all.
  if (status !== 0 && total.failed === before) count(false, `${project} tests: vitest ended with ${status}`);
}

/** The set-up installs them; a stage that is run alone says what it lacks. */
function programs(): void {
  const missing = missingPackages({ engine: false });
  if (missing.length === 0) return;
  const remedy = `apt-get install ${missing.join(' ')}, or make testbed`;
  say(`✗ some tests will fail, because programs are missing: ${remedy}`);
  count(false, `programs that tests run: ${remedy}`);
}

/** Only the whole suite shows whether each right of the operator is needed. */
async function endToEnd(filters: string[]): Promise<void> {
  const [mark, before] = [await auditMark(), total.passed + total.failed];
  await vitest('e2e', filters);
  if (filters.length > 0) {
    await vitest('testbed', filters);
    if (total.passed + total.failed === before) count(false, `no end-to-end test is in ${filters.join(', ')}`);
    return;
  }
  await check('the operator may do what it does, and no more', process.execPath, ['scripts/rights.ts', String(mark)]);
  await vitest('testbed', []);
  await demo();
}

/** Twice on the testbed as it is: it is idempotent, and fast once everything is cached. Takes away what it made. */
async function demo(): Promise<void> {
  const there = (await kubectlResult(['get', 'etcd', 'quickstart'], { allowFailure: true })).status === 0;
  await check('the demo works', process.execPath, ['scripts/demo.ts']);
  const from = performance.now();
  await check('the demo works again', process.execPath, ['scripts/demo.ts']);
  count(performance.now() - from < 90_000, `the demo takes less than 90 s: ${since(from)}`);
  if (there) return;
  // The run goes on to its teardown, also if this fails.
  await removeDemo().catch((error: Error) => count(false, `what the demo made is removed: ${error.message}`));
}

async function removeDemo(): Promise<void> {
  const backups = (await kubectl('get', 'etcdbackups', '-o', 'name')).split('\n');
  const made = backups.filter((name) => name.includes('/quickstart-'));
  const others = ['etcd/quickstart', 'pod/quickstart-client', 'secret/quickstart-s3'];
  await kubectl('delete', ...made, ...others, '--ignore-not-found');
  // The cluster's claims outlive it.
  await kubectl('delete', 'pvc', '--selector', 'etcd.quorate.dev/cluster=quickstart');
}

async function run(stage: Stage, filters: string[]): Promise<void> {
  const from = performance.now();
  say(`── ${stage}`);
  switch (stage) {
    case 'setup':
      await check(SETUP, process.execPath, ['scripts/deploy.ts']);
      break;
    case 'check':
      await staticChecks();
      break;
    case 'teardown':
      await check('the testbed is taken down', process.execPath, ['test/testbed/cli.ts', 'down']);
      await check('nothing of the testbed is left', process.execPath, ['test/testbed/cli.ts', 'left']);
      break;
    case 'e2e':
      await endToEnd(filters);
      break;
    default:
      programs();
      await vitest(stage, filters);
  }
  say(`── ${stage}: ${since(from)}`);
}

/** CI leaves nothing; people keep their testbed. */
const everything = (): Stage[] => stages.filter((stage) => stage !== 'teardown' || process.env['CI'] === 'true');

async function main(args: string[]): Promise<void> {
  const asked = args.filter((arg): arg is Stage => (stages as readonly string[]).includes(arg));
  const filters = args.filter((arg) => !(stages as readonly string[]).includes(arg));
  for (const stage of asked.length > 0 ? asked : everything()) {
    // Without a testbed each file would wait for its own deadline, to say the same.
    const hopeless = failures.some(({ what }) => what === SETUP) && (stage === 'integration' || stage === 'e2e');
    if (hopeless) count(false, `${stage} tests: not run, because the set-up failed`);
    else await run(stage, filters);
  }
}

/** The head of a message: its reason, and the first frames that are of this project. */
function excerpt(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '' && !line.includes('/node_modules/'));
  return lines
    .slice(0, 6)
    .map((line) => `\n      ${line.trim().slice(0, 300)}`)
    .join('');
}

function finish(): never {
  if (failures.length > 0) say('\nfailed:');
  for (const { what, why } of failures) say(`  ✗ ${what}${excerpt(why)}`);
  say(`\n${since(started)}, logs of the testbed: ${path.relative(ROOT, FILES.logs)}`);
  say(`${total.passed} passed, ${total.failed} failed`);
  process.exit(total.failed === 0 ? 0 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    running?.kill(signal);
    count(false, `ended by ${signal}`);
    finish();
  });
}
try {
  await main(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  count(false, 'the test run itself');
}
finish();
