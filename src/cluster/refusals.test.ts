// SPDX-License-Identifier: Apache-2.0
// What the API server's own words mean: each refusal has its reason and its remedy.
import { describe, expect, it } from 'vitest';
import type { KubeErrorCode } from '../runtime/errors.ts';
import { refusalOf } from './refusals.ts';

const USER = 'User "system:serviceaccount:quorate-system:quorate"';

describe('a refusal', () => {
  it.each<[string, KubeErrorCode, string, RegExp]>([
    [`secrets is forbidden: ${USER} cannot create resource "secrets" in API group ""`, 'Forbidden', 'Refused', /roles/],
    [
      'services "a" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can\'t set finalizers on',
      'Forbidden',
      'Refused',
      /roles/,
    ],
    [
      'services "a" is forbidden: exceeded quota: q, requested: services=1, used: services=0, limited: services=0',
      'Forbidden',
      'QuotaExceeded',
      /raise the quota/,
    ],
    ['pods "a-0" is forbidden: failed quota: q: must specify limits.cpu', 'Forbidden', 'QuotaExceeded', /quota/],
    [
      'persistentvolumeclaims "d" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi',
      'Forbidden',
      'QuotaExceeded',
      /limit range/,
    ],
    [
      'admission webhook "w" denied the request: the bot cannot create resource limits, exceeded quota',
      'Forbidden',
      'AdmissionDenied',
      /policy/,
    ],
    [
      "statefulsets.apps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
      'Invalid',
      'AdmissionDenied',
      /policy/,
    ],
    ['pods "a-0" is forbidden: violates PodSecurity "restricted:latest": x', 'Forbidden', 'AdmissionDenied', /policy/],
    ['something of a plugin', 'Forbidden', 'AdmissionDenied', /policy/],
    [
      'pods "a-0" is forbidden: no PriorityClass with name x was found',
      'Forbidden',
      'Invalid',
      /create the PriorityClass/,
    ],
    ['StatefulSet.apps "a" is invalid: spec.template: Invalid value: "x"', 'Invalid', 'Invalid', /spec\.pods/],
    ['Request entity too large', 'Invalid', 'Invalid', /correct it/],
    ['the API server keeps nothing of spec.pods.affinity.x', 'Invalid', 'Invalid', /spelling/],
  ])('%s (%s) is %s', (message, code, reason, remedy) => {
    expect(refusalOf({ code, message })).toEqual({ reason, remedy: expect.stringMatching(remedy) });
  });
});
