// SPDX-License-Identifier: Apache-2.0
// What the operator may never be allowed to do, whatever the table of grants says.
import { describe, expect, it } from 'vitest';
import { aggregated, grants } from '../../scripts/rbac.ts';

const all = [...grants, ...aggregated.view, ...aggregated.edit];
const resources = all.flatMap((grant) => grant.resources);
const verbs = all.flatMap((grant): string[] => grant.verbs);

describe('the table of grants', () => {
  it('has no wildcards', () => {
    expect([...all.map(({ group }) => group), ...resources, ...verbs].filter((word) => word.includes('*'))).toEqual([]);
  });

  it('lets nobody list or watch Secrets', () => {
    const secrets = grants.filter((grant) => grant.resources.includes('secrets')).flatMap((grant) => grant.verbs);
    expect(secrets).not.toHaveLength(0);
    expect(secrets).not.toContain('list');
    expect(secrets).not.toContain('watch');
  });

  it.each(['escalate', 'bind', 'impersonate', 'deletecollection', 'approve', 'sign'])('never grants %s', (verb) => {
    expect(verbs).not.toContain(verb);
  });

  it.each([
    'pods/exec',
    'pods/attach',
    'pods/portforward',
    'serviceaccounts',
    'serviceaccounts/token',
    'nodes',
    'nodes/proxy',
    'roles',
    'clusterroles',
    'rolebindings',
    'clusterrolebindings',
    'validatingwebhookconfigurations',
    'mutatingwebhookconfigurations',
    'customresourcedefinitions',
  ])('never touches %s', (resource) => {
    expect(resources).not.toContain(resource);
  });

  it('aggregates to view and edit nothing but our own kinds: whoever may write ours gains nothing else', () => {
    const groups = [...aggregated.view, ...aggregated.edit].map(({ group }) => group);
    expect(new Set(groups)).toEqual(new Set(['etcd.quorate.dev']));
    expect(aggregated.edit.flatMap((grant) => grant.resources)).not.toContain('etcdclusters/status');
    expect(aggregated.view.flatMap((grant) => grant.verbs).toSorted()).toEqual(['get', 'list', 'watch']);
  });

  it('names no resource twice in one scope', () => {
    const names = grants.flatMap(({ scope, group, resources: plural }) =>
      plural.map((name) => `${scope} ${group}/${name}`),
    );
    expect(new Set(names).size).toBe(names.length);
  });

  it('touches only leases in the namespace of the operator', () => {
    expect(grants.filter(({ scope }) => scope === 'own').flatMap((grant) => grant.resources)).toEqual(['leases']);
  });

  it('never writes the spec of a custom resource', () => {
    const ours = grants.find((grant) => grant.resources.includes('etcdclusters'));
    expect(ours?.verbs).not.toContain('update');
    expect(ours?.verbs).not.toContain('delete');
  });
});
