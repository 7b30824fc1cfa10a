// SPDX-License-Identifier: Apache-2.0
// Kinds that the tests handle and the operator does not.
import type { KubeObject } from '../../../src/runtime/json.ts';
import type { Resource } from '../../../src/runtime/resources.ts';

export interface Deployment extends KubeObject {
  spec?: { replicas?: number };
  status?: { observedGeneration?: number };
}
export interface Role extends KubeObject {
  rules: { apiGroups?: string[]; resources?: string[]; verbs: string[] }[];
}
export interface CustomResourceDefinition extends KubeObject {
  spec: { versions: { name: string; schema: { openAPIV3Schema: { properties: Record<string, object> } } }[] };
}

const define = <T extends KubeObject>(group: string, plural: string, kind: string, namespaced = true): Resource<T> => ({
  group,
  version: 'v1',
  plural,
  kind,
  namespaced,
});

export const deployments = define<Deployment>('apps', 'deployments', 'Deployment');
export const namespaces = define<KubeObject>('', 'namespaces', 'Namespace', false);
interface ResourceQuota extends KubeObject {
  spec: { hard: Record<string, string> };
  status?: { hard?: Record<string, string> };
}
export const resourceQuotas = define<ResourceQuota>('', 'resourcequotas', 'ResourceQuota');
interface PersistentVolume extends KubeObject {
  spec: { persistentVolumeReclaimPolicy?: string; claimRef?: { uid?: string | null; resourceVersion?: string | null } };
}
export const persistentVolumes = define<PersistentVolume>('', 'persistentvolumes', 'PersistentVolume', false);
export const roles = define<Role>('rbac.authorization.k8s.io', 'roles', 'Role');
export const serviceAccounts = define<KubeObject>('', 'serviceaccounts', 'ServiceAccount');
export const customResourceDefinitions = define<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);
export const mutatingAdmissionPolicies = define<KubeObject & { spec: object }>(
  'admissionregistration.k8s.io',
  'mutatingadmissionpolicies',
  'MutatingAdmissionPolicy',
  false,
);
export const mutatingAdmissionPolicyBindings = define<KubeObject & { spec: object }>(
  'admissionregistration.k8s.io',
  'mutatingadmissionpolicybindings',
  'MutatingAdmissionPolicyBinding',
  false,
);
export const validatingAdmissionPolicies = define<KubeObject & { spec: object }>(
  'admissionregistration.k8s.io',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
  false,
);
export const validatingAdmissionPolicyBindings = define<KubeObject & { spec: object }>(
  'admissionregistration.k8s.io',
  'validatingadmissionpolicybindings',
  'ValidatingAdmissionPolicyBinding',
  false,
);
