// SPDX-License-Identifier: Apache-2.0
// Shapes of Kubernetes objects as they are on the wire.

/** A client-node model as JSON: its Date fields are ISO strings, and `_from` is `from` again. */
export type Json<T> = T extends Date
  ? string
  : T extends (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T as K extends `_${infer N}` ? N : K]: Json<T[K]> }
      : T;

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339, seconds. */
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
}

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: Metadata;
}

export interface Ref {
  namespace?: string;
  name: string;
}

/** `namespace/name`, the key of an object among those of its kind. */
export const refKey = (r: Ref): string => `${r.namespace ?? ''}/${r.name}`;
