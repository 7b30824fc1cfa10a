// SPDX-License-Identifier: Apache-2.0
// Says what is wrong with a formed cluster: members that do not serve, alarms, a quorum that is away.
import { childNames } from '../../api/names.ts';
import { hexId } from '../../etcd/types.ts';
import type { MemberView, Observed } from '../observed.ts';
import { diagnose, lastLine } from './diagnose.ts';
import { type Finding, lasting, type Ruling } from './rule.ts';

/** Until this many milliseconds a lost quorum is taken for a restart that ends by itself. */
const QUORUM_GRACE_MS = 30_000;

/** etcd's own words when a sealed member finds no data: it would have to join anew, and may not. */
const EMPTY_DATA =
  /cannot fetch cluster info from peer urls|couldn't find local name|member .* has already been bootstrapped/i;

/** In a member's status: the alarms of all members, each with the decimal id of the one that raised it. */
const RAISED = /(?:memberID:(\d+)\s+)?alarm:(?:NOSPACE|CORRUPT)/;

const ALARMS = {
  CORRUPT:
    'its data differs from that of the others, and etcd refuses to serve; find the member that is right with ' +
    '`etcdctl endpoint hashkv` and the endpoints of all, or restore the cluster from a backup',
  NOSPACE:
    'the database has reached its quota, and writes are refused; delete keys, compact, defragment one member after ' +
    'the other and run `etcdctl alarm disarm` (this version does not do it by itself)',
} as const;

/** What a member that answers says is wrong with itself. */
function complaints({ status }: MemberView): string[] {
  return (status?.errors ?? []).filter((text) => {
    const raisedBy = RAISED.exec(text)?.[1];
    return raisedBy === undefined || hexId(raisedBy) === status?.memberId;
  });
}

/** It answers, and has nothing to complain of. */
export const isWell = (m: MemberView): boolean => m.status !== undefined && complaints(m).length === 0;

/** Why the operator has nothing to ask the members with; undefined while its own certificate does. */
export function blindness(o: Pick<Observed, 'cluster' | 'secrets' | 'now'>): string | undefined {
  const name = childNames(o.cluster.metadata.name).operatorTls;
  const own = o.secrets.find((s) => s.need.name === name);
  if (own === undefined) return undefined;
  if (own.secret === undefined) return `the Secret ${name} is missing`;
  if (own.notAfter === undefined) return `the Secret ${name} holds no certificate that can be read`;
  return own.notAfter > o.now
    ? undefined
    : `the certificate in the Secret ${name} expired ${own.notAfter.toISOString()}`;
}

export function whyDown(m: MemberView): string {
  if (m.status !== undefined) return `it reports ${complaints(m).join(', ').trim()}`;
  const container = m.pod?.status?.containerStatuses?.[0];
  const last = container?.state?.terminated?.message ?? container?.lastState?.terminated?.message;
  if (m.pod === undefined) return 'its pod is missing';
  if (m.pod.metadata.deletionTimestamp !== undefined) return 'its pod is being replaced';
  // Whoever passed the startup probe has data, whatever the container before it said.
  if (last !== undefined && container?.started !== true && EMPTY_DATA.test(last))
    return 'its data directory is empty, and it may not start without its data';
  if (last !== undefined && container?.state?.running === undefined) return `it exits: ${lastLine(last).slice(0, 200)}`;
  return m.error ?? 'it does not answer';
}

export const allWhys = (members: readonly MemberView[]): string =>
  members.map((m) => `${m.name}: ${whyDown(m)}`).join('; ');
export const lostData = (m: MemberView): boolean => whyDown(m).startsWith('its data directory is empty');

export function healthRule(o: Observed): Ruling | undefined {
  if (o.known?.phase !== 'Formed') return undefined;
  const down = o.members.filter((m) => m.status === undefined);
  // Not even a quorum is served while this alarm stands.
  const corrupt = alarmFinding(o, 'CORRUPT', down);
  if (corrupt !== undefined) return { finding: corrupt };
  if (!o.quorum.read) return { finding: cannotVerify(o, down) ?? quorumFinding(o, down) };
  const unwell = o.members.filter((m) => !isWell(m));
  const message = allWhys(unwell);
  if (down.some(lostData)) {
    const remedy =
      'the others keep serving; bring its volume back, or restore the cluster from a backup (this version cannot replace a member yet)';
    return { finding: { kind: 'blocked', reason: 'MemberDataLost', message: `${message}; ${remedy}` } };
  }
  const full = alarmFinding(o, 'NOSPACE', down);
  if (full !== undefined) return { finding: full };
  if (unwell.length === 0) return undefined;
  const remedy = 'look at the pods, their nodes, and the network between the members and to the operator';
  const ms = falseMs(o, 'MembersHealthy');
  return { finding: diagnose(o) ?? lasting({ ms, reason: 'MemberUnhealthy', message, remedy }) };
}

function alarmFinding(o: Observed, alarm: keyof typeof ALARMS, down: readonly MemberView[]): Finding | undefined {
  if (!o.members.some((m) => m.status?.errors.some((text) => text.includes(alarm)))) return undefined;
  const by = o.members.filter((m) => complaints(m).some((text) => text.includes(alarm))).map((m) => m.name);
  const message = `${by.length === 0 ? 'a member' : by.join(', ')} raised the alarm ${alarm}: ${ALARMS[alarm]}`;
  return { kind: 'blocked', reason: 'AlarmRaised', message: [message, ...down.map((m) => allWhys([m]))].join('; ') };
}

/** Without a certificate of our own a cluster in good health answers us just as little as one that is down. */
function cannotVerify(o: Observed, down: readonly MemberView[]): Finding | undefined {
  const blind = blindness(o);
  if (blind === undefined) return undefined;
  const remedy = `bring back what keeps it from being issued: most often the authority in the Secret ${childNames(o.cluster.metadata.name).clientCa}`;
  const message = `the members cannot be asked whether they serve: ${blind}; ${remedy}; what is seen of their pods: ${allWhys(down)}`;
  return { kind: 'blocked', reason: 'CannotVerify', message };
}

/** How long this condition has been False, in milliseconds. */
function falseMs({ cluster, now }: Observed, type: 'Available' | 'MembersHealthy'): number {
  const c = cluster.status?.conditions?.find((x) => x.type === type);
  return c?.status === 'False' ? now.getTime() - Date.parse(c.lastTransitionTime) : 0;
}

function quorumFinding(o: Observed, down: readonly MemberView[]): Finding {
  const why = allWhys(down);
  const message = `no linearizable read succeeds${why === '' ? ` (asked of one member: ${o.quorum.error ?? 'it does not answer'})` : `; ${why}`}`;
  const lost = down.some(lostData);
  if (falseMs(o, 'Available') <= QUORUM_GRACE_MS && !lost) return { kind: 'progress', reason: 'QuorumLost', message };
  const remedy = 'nothing is changed by itself while the quorum is away: bring the members or their volumes back';
  return { kind: 'blocked', reason: 'QuorumLost', message: `${message}; ${remedy}` };
}
