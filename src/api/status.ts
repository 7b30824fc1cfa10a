// SPDX-License-Identifier: Apache-2.0
// What the operator reports of an EtcdCluster. 64-bit numbers are strings; figures that move are written on coarse change.
import { z } from 'zod';
import type { Condition } from '../runtime/conditions.ts';
import { listMap, time } from './fields.ts';

const condition = z.object({
  type: z.string().max(316).describe('See the table of conditions.'),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().max(1024).describe('One word, see the table of reasons.'),
  message: z.string().max(32_768).describe('A sentence: what, why, and what to do.'),
  observedGeneration: z.int().min(0).optional().describe('Generation of the spec that this speaks of.'),
  lastTransitionTime: time().describe('When the status last changed.'),
});

export const conditionList = () =>
  z.array(condition).max(32).meta(listMap('type')).describe('The state in words, for people and tools alike.');
export const observedGeneration = () =>
  z.int().describe('Generation of the spec that this status speaks of; -1 until the operator has seen the object.');

const word = (max = 253) => z.string().max(max);

const member = z.object({
  name: word().describe('Pod and etcd member.'),
  id: word(16).optional().describe('As etcdctl prints it.'),
  role: z.enum(['Leader', 'Follower', 'Learner', 'Unknown']),
  version: word(64).optional().describe('Version of etcd that answers.'),
  healthy: z.boolean().describe('It answers, has a leader, and has raised no alarm.'),
  healthySince: time().optional(),
  dbSize: word(32).optional().describe('Size of the database on disk.'),
  dbSizeInUse: word(32).optional().describe('The part of it that holds data; defragmentation returns the rest.'),
});
export type MemberRecord = z.output<typeof member>;

const scheduleStatus = z.object({
  name: word(),
  lastScheduleTime: time().optional().describe('When it last made an EtcdBackup.'),
  nextScheduleTime: time().optional().describe('When it makes the next one.'),
});

const backup = z.object({
  lastSuccessfulBackup: word().optional().describe('The newest EtcdBackup that succeeded.'),
  lastSuccessTime: time().optional().describe('When it was complete.'),
  schedules: z.array(scheduleStatus).max(16).meta(listMap('name')).optional().describe('One for each schedule.'),
});

const certificate = z.object({
  name: word().describe('Secret.'),
  notAfter: time().describe('When the certificate in it expires.'),
});

const storage = z.object({
  size: word(32).optional().describe('Size of each volume.'),
  storageClassName: word()
    .optional()
    .describe("StorageClass; absent if it was left to the Kubernetes cluster's default."),
  accessMode: word(32).optional().describe('Access mode.'),
});

/** `status` of an EtcdCluster. */
export const clusterStatus = z.object({
  observedGeneration: observedGeneration(),
  conditions: conditionList(),
  clusterId: word(16).optional().describe('As etcdctl prints it.'),
  genesis: word(64).optional().describe('Names the data of this cluster; set once it was formed.'),
  version: word(64)
    .optional()
    .describe('Version of etcd that the cluster was formed with; `members[].version` is the one that answers.'),
  storage: storage.optional().describe('What the cluster was formed with; `spec.storage` can always go back to it.'),
  replicas: z.int().optional().describe('Members.'),
  readyReplicas: z.int().optional().describe('Members that serve.'),
  membersSummary: word(16).optional().describe('Members that serve, of all, such as `3/3`.'),
  selector: word(512).optional().describe('Selects the pods of the members; for autoscalers.'),
  leader: word().optional().describe('Name of the leading member.'),
  dbSize: word(32).optional().describe('Size of the largest database of a member.'),
  members: z.array(member).max(16).meta(listMap('name')).optional().describe('One for each member.'),
  endpoints: z.array(word(512)).max(16).optional().describe('URLs for clients inside the Kubernetes cluster.'),
  certificates: z.array(certificate).max(128).optional().describe('When certificates expire.'),
  clientSecrets: z
    .array(word())
    .max(512)
    .optional()
    .describe(
      'Secrets of `spec.tls.clientCertificates` and of backup Jobs, named before they are made and until they are gone.',
    ),
  backup: backup.optional().describe('The backups of the cluster.'),
});

export type EtcdClusterStatus = Omit<z.output<typeof clusterStatus>, 'conditions'> & { conditions: Condition[] };
