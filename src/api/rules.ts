// SPDX-License-Identifier: Apache-2.0
// Rules of an EtcdCluster between fields and between an old and a new value, for the API server; effectiveSpec() holds the same.
import { type CelRule, celText as cel } from './fields.ts';
import { ELECTION, HEARTBEAT, LOG_RESERVE, QUOTA, REQUEST, STORAGE } from './limits.ts';
import { CLUSTER_NAME, CLUSTER_NAME_SAYS, MAX_CLUSTER_NAME, OWN_CLIENTS } from './names.ts';
import { DURATION_PATTERN } from './quantities.ts';
import { floorOf, TESTED_VERSIONS, VERSION_PATTERN } from './versions.ts';

const reason = 'FieldValueInvalid' as const;

/** Rules look at a value only where its own form is right, so that one mistake gives one message. */
const isDuration = (field: string): string => `${field}.matches(${cel(DURATION_PATTERN)})`;
const within = (field: string, { min, max }: { min: string; max: string }): string =>
  `!isQuantity(${field}) || (quantity(${field}).compareTo(quantity('${min}')) >= 0 && quantity(${field}).compareTo(quantity('${max}')) <= 0)`;

export const clusterNameRules: CelRule[] = [
  {
    rule: `self.metadata.name.size() <= ${MAX_CLUSTER_NAME} && self.metadata.name.matches(${cel(CLUSTER_NAME.source)})`,
    message: `metadata.name ${CLUSTER_NAME_SAYS}`,
    reason,
  },
];

/** One rule for each minor with a floor. */
export const versionRules: CelRule[] = TESTED_VERSIONS.map((tested) => {
  const [major, minor] = tested.split('.');
  const floor = floorOf(`${major}.${minor}`);
  return {
    rule: `!self.matches(${cel(VERSION_PATTERN)}) || !self.startsWith('${major}.${minor}.') || int(self.split('.')[2]) >= ${floor.split('.')[2]}`,
    message: `versions of etcd ${major}.${minor} before ${floor} can lose or corrupt data; use ${floor} or later, best ${tested}`,
    reason,
  };
}).filter((r) => !r.rule.endsWith('>= 0'));

export const storageRules: CelRule[] = [
  {
    rule: within('self.size', STORAGE),
    message: `must be between ${STORAGE.min} and ${STORAGE.max}`,
    fieldPath: '.size',
    reason,
  },
];

/** What volumes cannot do once they hold a formed cluster; before that a correction is simply taken. */
const unformed = '!has(oldSelf.status) || !has(oldSelf.status.genesis)';
const now = 'self.spec.storage';
const before = 'oldSelf.spec.storage';

/** Rules of the whole object, because they ask the status whether there is data yet. */
export const volumeRules: CelRule[] = [
  {
    rule: `${unformed} || !isQuantity(${now}.size) || !isQuantity(${before}.size) || quantity(${now}.size).compareTo(quantity(${before}.size)) >= 0`,
    messageExpression: `'cannot shrink from ' + ${before}.size + ' to ' + ${now}.size + ': volumes only grow; set ' + ${before}.size + ' or more'`,
    fieldPath: '.spec.storage.size',
    reason,
  },
  {
    rule: `${unformed} || (has(${now}.storageClassName) == has(${before}.storageClassName) && (!has(${now}.storageClassName) || ${now}.storageClassName == ${before}.storageClassName))`,
    message: 'cannot change, because the volumes exist: set what it was, or make a new cluster',
    fieldPath: '.spec.storage.storageClassName',
    reason: 'FieldValueForbidden',
  },
  {
    rule: `${unformed} || ${now}.accessMode == ${before}.accessMode`,
    messageExpression: `'cannot change, because the volumes exist: set ' + ${before}.accessMode + ', or make a new cluster'`,
    fieldPath: '.spec.storage.accessMode',
    reason: 'FieldValueForbidden',
  },
];

const own = Object.values(OWN_CLIENTS);
/** etcd's own authentication goes by the common name: another holder of it would have the operator's rights. */
export const isOwnClient = (commonName: string): boolean => own.some((name) => name === commonName);
export const OWN_CLIENT_SAYS = `must not be ${own.join(' or ')}, which the operator itself uses; if absent it is the name: set another commonName`;

export const clientCertificateRules: CelRule[] = [
  {
    rule: `!((has(self.commonName) ? self.commonName : self.name) in [${own.map(cel).join(', ')}])`,
    message: OWN_CLIENT_SAYS,
    fieldPath: '.commonName',
    reason,
  },
];

const both = `!${isDuration('self.electionTimeout')} || !${isDuration('self.heartbeatInterval')}`;
const heartbeats = Array.from({ length: ELECTION.heartbeats }, () => 'duration(self.heartbeatInterval)').join(' + ');

export const etcdRules: CelRule[] = [
  {
    rule: `!has(self.quota) || ${within('self.quota', QUOTA)}`,
    message: `quota must be between ${QUOTA.min} and ${QUOTA.max}`,
    reason,
  },
  {
    rule: within('self.maxRequestBytes', REQUEST),
    message: `must be between ${REQUEST.min} and ${REQUEST.max}`,
    fieldPath: '.maxRequestBytes',
    reason,
  },
  {
    rule: `!${isDuration('self.heartbeatInterval')} || (duration(self.heartbeatInterval) >= duration('${HEARTBEAT.min}') && duration(self.heartbeatInterval) <= duration('${HEARTBEAT.max}'))`,
    message: `must be between ${HEARTBEAT.min} and ${HEARTBEAT.max}`,
    fieldPath: '.heartbeatInterval',
    reason,
  },
  {
    rule: `${both} || duration(self.electionTimeout) >= ${heartbeats}`,
    messageExpression:
      "'must be at least five times heartbeatInterval, which is ' + self.heartbeatInterval + ': raise it, or lower the heartbeat'",
    fieldPath: '.electionTimeout',
    reason,
  },
  {
    rule: `!${isDuration('self.electionTimeout')} || duration(self.electionTimeout) <= duration('${ELECTION.max}')`,
    message: `must be at most ${ELECTION.max}`,
    fieldPath: '.electionTimeout',
    reason,
  },
  {
    rule: "self.autoCompaction.retention == '0' || (self.autoCompaction.mode == 'Periodic') == self.autoCompaction.retention.matches('[smh]$')",
    message:
      'must be a duration such as 5m with mode Periodic, a number of revisions such as 1000 with mode Revision, or 0 for none',
    fieldPath: '.autoCompaction.retention',
    reason,
  },
];

export const clusterSpecRules: CelRule[] = [
  {
    // Two databases, because defragmentation and a received snapshot write a second one beside the first.
    rule: `!has(self.etcd.quota) || !isQuantity(self.etcd.quota) || !isQuantity(self.storage.size) || quantity(self.etcd.quota).add(quantity(self.etcd.quota)).add(quantity('${LOG_RESERVE}')).compareTo(quantity(self.storage.size)) <= 0`,
    messageExpression: `'spec.etcd.quota ' + self.etcd.quota + ' does not fit spec.storage.size ' + self.storage.size + ': a volume holds twice the quota, because defragmentation writes a copy, and ${LOG_RESERVE} of log; lower the quota or enlarge the storage'`,
    reason,
  },
];
