// SPDX-License-Identifier: Apache-2.0
// Times as Kubernetes writes them.

/** RFC 3339, whole seconds. */
export const seconds = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;
