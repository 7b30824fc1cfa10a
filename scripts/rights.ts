// SPDX-License-Identifier: Apache-2.0
// Compares what operators were seen to ask of the API server with what they are allowed to: no right missing, none unused.
import { audit } from '../test/testbed/audit.ts';
import { grants } from './rbac.ts';

/** The service accounts of the chart: `quorate`, and `<release>-quorate` for the operators of tests. */
const operators = /^system:serviceaccount:[^:]+:(?:.+-)?quorate$/;

const right = (group: string, resource: string, verb: string): string => `${verb} ${resource}${group && `.${group}`}`;

/** Sentences on rights that were asked for in vain and on rights that nobody used, since a mark of the audit log. */
async function judge(since: number): Promise<string[]> {
  const asked = new Set<string>();
  const granted = new Set<string>();
  for (const { group, resource, subresource, verb } of await audit({ since, user: operators })) {
    if (resource !== '') asked.add(right(group, subresource === '' ? resource : `${resource}/${subresource}`, verb));
  }
  const problems: string[] = [];
  for (const { group, resources, verbs, askedByAdmission } of grants) {
    for (const each of resources.flatMap((resource) => verbs.map((verb) => right(group, resource, verb)))) {
      granted.add(each);
      if (!asked.has(each) && askedByAdmission !== true) problems.push(`granted and never used: ${each}`);
    }
  }
  for (const each of asked) if (!granted.has(each)) problems.push(`used and not granted: ${each}`);
  return problems.toSorted();
}

if (import.meta.main) {
  const problems = await judge(Number(process.argv[2] ?? 0));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
