// SPDX-License-Identifier: Apache-2.0
// Admission policies and quotas of a cluster's administrator, each for one namespace of the tests.
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, Ref } from '../../../src/runtime/json.ts';
import { apiVersionOf, pathOf, type Resource } from '../../../src/runtime/resources.ts';
import type { Kube } from './kube.ts';
import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  resourceQuotas,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from './resources.ts';
import { until } from './until.ts';

/** A policy in force. */
export interface Policy extends AsyncDisposable {
  lift(): Promise<void>;
}

/**
 * From when this resolves nobody creates `like` or others of its kind in its namespace, or deletes them; the refusal says
 * `message`. What is not to be deleted is there already.
 */
export async function refuse<T extends KubeObject>(
  kube: Kube,
  resource: Resource<T>,
  like: T,
  message: string,
  operation: 'CREATE' | 'DELETE' = 'CREATE',
): Promise<Policy> {
  const { namespace = '' } = like.metadata;
  const name = `no-${resource.plural}-${namespace}`;
  const { group, version, plural } = resource;
  const rule = { apiGroups: [group], apiVersions: [version], operations: [operation], resources: [plural] };
  const selected = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
  const matchConstraints = { ...selected, resourceRules: [rule] };
  const spec = { failurePolicy: 'Fail', matchConstraints, validations: [{ expression: 'false', message }] };
  const bound = { policyName: name, validationActions: ['Deny'] };
  await kube.create(validatingAdmissionPolicies, { metadata: { name }, spec });
  await kube.create(validatingAdmissionPolicyBindings, { metadata: { name }, spec: bound });
  const lift = async () => {
    await kube.delete(validatingAdmissionPolicyBindings, { name });
    await kube.delete(validatingAdmissionPolicies, { name });
  };
  const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...like };
  const ask = (): Promise<unknown> =>
    operation === 'CREATE'
      ? kube.call('POST', `${pathOf(resource, namespace)}?dryRun=All`, { body })
      : kube.call('DELETE', `${pathOf(resource, namespace, like.metadata.name)}?dryRun=All`);
  await until('the policy is in force', {
    within: 30_000,
    read: () =>
      ask().then(
        () => 'it is allowed',
        (e: Error) => e.message,
      ),
    holds: (refusal) => refusal.includes(message) || refusal,
  });
  return { lift, [Symbol.asyncDispose]: lift };
}

/**
 * From when this resolves every object of the kind of `like`, in its namespace, that is created or updated and for which
 * `when` holds is changed by `patch`. Both are in CEL.
 */
export async function rewrite<T extends KubeObject>(
  kube: Kube,
  resource: Resource<T>,
  like: T,
  { when, patch, isChanged }: { when: string; patch: string; isChanged: (answer: T) => boolean },
): Promise<Policy> {
  const { namespace = '' } = like.metadata;
  const name = `rewrite-${resource.plural}-${namespace}`;
  const { group, version, plural } = resource;
  const rule = { apiGroups: [group], apiVersions: [version], operations: ['CREATE', 'UPDATE'], resources: [plural] };
  const selected = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
  const spec = {
    failurePolicy: 'Fail',
    reinvocationPolicy: 'Never',
    matchConstraints: { ...selected, resourceRules: [rule] },
    matchConditions: [{ name: 'when', expression: when }],
    mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: patch } }],
  };
  await kube.create(mutatingAdmissionPolicies, { metadata: { name }, spec });
  await kube.create(mutatingAdmissionPolicyBindings, { metadata: { name }, spec: { policyName: name } });
  const lift = async () => {
    await kube.delete(mutatingAdmissionPolicyBindings, { name });
    await kube.delete(mutatingAdmissionPolicies, { name });
  };
  const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...like };
  await until('the policy is in force', {
    within: 30_000,
    read: () => kube.call<T>('POST', `${pathOf(resource, namespace)}?dryRun=All`, { body }),
    holds: (answer) => isChanged(answer) || JSON.stringify(answer),
  });
  return { lift, [Symbol.asyncDispose]: lift };
}

/** From when this resolves nobody gets more than `hard` in the quota's namespace; one that is only created holds nobody back. */
export async function ration(kube: Kube, metadata: Ref, hard: Record<string, string>): Promise<void> {
  await kube.create(resourceQuotas, { metadata, spec: { hard } });
  await until('the quota is in force', {
    within: 20_000,
    read: () => kube.get(resourceQuotas, metadata),
    holds: ({ status }) => isDeepStrictEqual(status?.hard, hard),
  });
}
