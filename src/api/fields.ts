// SPDX-License-Identifier: Apache-2.0
// Building blocks of the schemas: bounded text with a form that is said in words, quantities, durations, labels, selectors.
import { z } from 'zod';
import { DURATION_PATTERN, QUANTITY_PATTERN } from './quantities.ts';

/** A rule in the API server's Common Expression Language. */
export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden';
}

/** Schema metadata: rules that the API server checks. */
export const rules = (...list: CelRule[]) => ({ 'x-kubernetes-validations': list });
export const listMap = (...keys: string[]) => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});

/** Text of a form that `says` puts into words: both the API server and effectiveSpec() answer with that sentence. */
export const text = (max: number, form: RegExp, says: string) =>
  z.string().min(1).max(max).regex(form, says).meta({ 'x-quorate-says': says });

export const quantity = () =>
  text(24, new RegExp(QUANTITY_PATTERN), 'must be a quantity of bytes such as 512Mi, 10Gi or 1.5Gi');
export const duration = () =>
  text(24, new RegExp(DURATION_PATTERN), 'must be a duration of whole milliseconds such as 100ms, 1.5s, 5m or 1h30m');

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
export const dnsLabel = (max = 63) =>
  text(
    max,
    DNS_LABEL,
    'must hold only lower-case letters, digits and dashes, and begin and end with a letter or digit',
  );
export const objectName = () =>
  text(
    253,
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    'must be the name of an object: lower-case letters, digits, dashes and dots',
  );
/** There is no way to name another namespace. */
export const reference = () => z.object({ name: objectName().describe('In the namespace of this resource.') });

/** RE2 and JavaScript alike: an optional DNS prefix, and up to 63 characters. */
const LABEL_KEY = '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$';
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const KEY_SAYS = 'must have keys such as example.com/name: an optional DNS prefix, and at most 63 characters';
const VALUE_SAYS =
  'must hold only letters, digits, dashes, underscores and dots, and begin and end with a letter or digit';
/** Keys that carry meaning for the operator or for Kubernetes' own controllers. */
const OURS =
  /^(etcd\.quorate\.dev\/|statefulset\.kubernetes\.io\/|apps\.kubernetes\.io\/|controller-revision-hash$|app\.kubernetes\.io\/(name|managed-by|component)$)/;
const OURS_SAYS = 'must not hold keys that the operator or Kubernetes sets itself';
const MAX_KEYS = 64;

/** A string literal in CEL. */
export const celText = (pattern: string): string => `'${pattern.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
/** The API server cannot bound the keys of a map by schema, so the rule looks at their length first. */
const keysMatch = (pattern: string, message: string): CelRule => ({
  rule: `self.all(k, k.size() <= 317 && k.matches(${celText(pattern)}))`,
  message,
  reason: 'FieldValueInvalid',
});
const noneOfOurs: CelRule = {
  rule: `self.all(k, !k.matches(${celText(OURS.source)}))`,
  message: OURS_SAYS,
  reason: 'FieldValueInvalid',
};

/** The key of a label, where it is a value itself. */
export const labelKey = () => text(317, new RegExp(LABEL_KEY), 'must be a key such as example.com/name');
const key = () => z.string().max(317).regex(new RegExp(LABEL_KEY), KEY_SAYS);
const ownKey = () => key().refine((k) => !OURS.test(k), OURS_SAYS);
export const labelValue = () =>
  z.string().max(63).regex(LABEL_VALUE, VALUE_SAYS).meta({ 'x-quorate-says': VALUE_SAYS });
const bounded = (r: Record<string, unknown>): boolean => Object.keys(r).length <= MAX_KEYS;
const TOO_MANY = `must have at most ${MAX_KEYS} keys`;

/** Labels to select by. */
export const labels = () =>
  z
    .record(key(), labelValue())
    .refine(bounded, TOO_MANY)
    .meta({ maxProperties: MAX_KEYS, ...rules(keysMatch(LABEL_KEY, KEY_SAYS)) });
/** Labels to put on our objects: none that our selectors or Kubernetes' controllers use. */
export const ownLabels = () =>
  z
    .record(ownKey(), labelValue())
    .refine(bounded, TOO_MANY)
    .meta({ maxProperties: MAX_KEYS, ...rules(keysMatch(LABEL_KEY, KEY_SAYS), noneOfOurs) });
/** Annotations to put on our objects. */
export const ownAnnotations = () =>
  z
    .record(ownKey(), z.string().max(4096))
    .refine(bounded, TOO_MANY)
    .meta({ maxProperties: MAX_KEYS, ...rules(keysMatch(LABEL_KEY, KEY_SAYS), noneOfOurs) });

const OPERATOR_SAYS = 'values must be given for In and NotIn, and must be absent for Exists and DoesNotExist';
const requirement = z
  .object({
    key: labelKey().describe('Label.'),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How the label is compared.'),
    values: z.array(labelValue()).max(32).optional().describe('For In and NotIn.'),
  })
  .refine((r) => r.operator.endsWith('In') === (r.values ?? []).length > 0, OPERATOR_SAYS)
  .meta(
    rules({
      rule: "(self.operator == 'In' || self.operator == 'NotIn') == (has(self.values) && self.values.size() > 0)",
      message: OPERATOR_SAYS,
      reason: 'FieldValueInvalid',
    }),
  );

export const labelSelector = () =>
  z.object({
    matchLabels: labels().optional().describe('All of these labels.'),
    matchExpressions: z.array(requirement).max(16).optional().describe('All of these expressions.'),
  });

/** An optional time that a person and a machine read alike. */
export const time = () => z.string().max(32).meta({ format: 'date-time' });
