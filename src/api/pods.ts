// SPDX-License-Identifier: Apache-2.0
// What a user may say about the pods of a cluster: an allow-list, with no way to the container, its user or its volumes.
import { z } from 'zod';
import {
  labelKey,
  labelSelector,
  labels,
  labelValue,
  listMap,
  objectName,
  ownAnnotations,
  ownLabels,
  rules,
} from './fields.ts';

const AMOUNT = /^[0-9]{1,15}(\.[0-9]{1,3})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;
const AMOUNT_SAYS = 'must be a quantity such as 2, 500m, 512Mi or 4Gi';

/** A whole number or text, as Kubernetes takes them: `cpu: 1` as well as `cpu: 500m`. */
const amount = () =>
  z
    .union([z.int().min(0).max(999_999_999_999_999), z.string().max(24).regex(AMOUNT, AMOUNT_SAYS)])
    .meta({ 'x-kubernetes-int-or-string': true, 'x-quorate-says': AMOUNT_SAYS, pattern: AMOUNT.source, maxLength: 24 })
    .transform(String);

const amounts = () =>
  z.object({
    cpu: amount().optional().describe('Cores, such as 500m.'),
    memory: amount().optional().describe('Bytes, such as 512Mi.'),
    'ephemeral-storage': amount().optional().describe('Bytes; etcd itself writes only to its volume.'),
  });

const LIMIT_FIELDS = [
  ['cpu', 'cpu'],
  ['memory', 'memory'],
  ['ephemeral-storage', 'ephemeral__dash__storage'],
] as const;

const withinLimits = LIMIT_FIELDS.map(([name, cel]) => ({
  rule: `!has(self.requests) || !has(self.limits) || !has(self.requests.${cel}) || !has(self.limits.${cel}) || !isQuantity(string(self.requests.${cel})) || !isQuantity(string(self.limits.${cel})) || quantity(string(self.requests.${cel})).compareTo(quantity(string(self.limits.${cel}))) <= 0`,
  message: `requests.${name} must not be more than limits.${name}: lower the request or raise the limit`,
  reason: 'FieldValueInvalid' as const,
}));

const resources = z
  .object({
    requests: amounts().optional().describe('What each member is guaranteed.'),
    limits: amounts().optional().describe('What each member may use at most.'),
  })
  .meta(rules(...withinLimits));

/** Kubernetes' own structure, checked by the API server when the pod is made; effectiveSpec() bounds its size and depth. */
const opaque = (description: string) =>
  z
    .looseObject({})
    .meta({ 'x-kubernetes-preserve-unknown-fields': true, maxProperties: 8 })
    .optional()
    .describe(description);

const affinity = z.object({
  nodeAffinity: opaque("Kubernetes' NodeAffinity."),
  podAffinity: opaque("Kubernetes' PodAffinity."),
  podAntiAffinity: opaque("Kubernetes' PodAntiAffinity. Replaces the default, which prefers a node for each member."),
});

const spreadConstraint = z.object({
  maxSkew: z.int().min(1).max(9).describe('How many members more one domain may hold than another.'),
  topologyKey: labelKey().describe('Node label whose values are the domains.'),
  whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']).describe('What happens where there is no way.'),
  labelSelector: labelSelector().optional().describe('Pods that are counted; the members of the cluster if absent.'),
});

const TOLERATION_SAYS = 'a toleration with operator Exists has no value, and one without a key needs operator Exists';
const SECONDS_SAY = 'tolerationSeconds needs effect NoExecute';
const toleration = z
  .object({
    key: labelKey().optional().describe('Taint; every taint if absent.'),
    operator: z.enum(['Exists', 'Equal']).optional().describe('Equal if absent.'),
    value: labelValue().optional().describe('For Equal.'),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional().describe('Every effect if absent.'),
    tolerationSeconds: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .optional()
      .describe('Only with NoExecute; for ever if absent.'),
  })
  .refine((t) => (t.operator === 'Exists' ? (t.value ?? '') === '' : (t.key ?? '') !== ''), TOLERATION_SAYS)
  .refine((t) => t.tolerationSeconds === undefined || t.effect === 'NoExecute', SECONDS_SAY)
  .meta(
    rules(
      {
        rule: "has(self.operator) && self.operator == 'Exists' ? !has(self.value) || self.value == '' : has(self.key) && self.key != ''",
        message: TOLERATION_SAYS,
        reason: 'FieldValueInvalid',
      },
      {
        rule: "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
        message: SECONDS_SAY,
        reason: 'FieldValueInvalid',
      },
    ),
  );

export const pods = z
  .object({
    resources: resources
      .prefault({ requests: { cpu: '100m', memory: '128Mi' } })
      .describe('CPU and memory of each member.'),
    nodeSelector: labels().optional().describe('Labels that a node must have.'),
    affinity: affinity
      .optional()
      .describe('Which nodes are preferred or required; at most 32 KiB of JSON and 16 levels.'),
    topologySpreadConstraints: z
      .array(spreadConstraint)
      .max(8)
      .meta(listMap('topologyKey', 'whenUnsatisfiable'))
      .optional()
      .describe('How members spread. Replaces the default, which spreads over zones where it can.'),
    tolerations: z.array(toleration).max(32).optional().describe('Taints of nodes that members tolerate.'),
    priorityClassName: objectName().optional().describe('PriorityClass of the pods.'),
    labels: ownLabels().optional().describe('More labels for the pods.'),
    annotations: ownAnnotations().optional().describe('More annotations for the pods.'),
  })
  .prefault({})
  .describe('How the pods of the members are placed and sized.');
