// SPDX-License-Identifier: Apache-2.0
// Chooses the member to take a snapshot from: one that has everything, and that does not lead if another one has it too.
import type { MemberStatus } from '../../etcd/types.ts';
import type { FailureReason } from '../failures.ts';

export interface Candidate {
  readonly name: string;
  /** Absent if the member did not answer. */
  readonly status: MemberStatus | undefined;
}

export interface Choice {
  readonly name: string;
  readonly status: MemberStatus;
}

/** How an alarm names a member when etcd could not find out which one differs. */
const UNKNOWN_MEMBER = '0';

/** `reason`: waiting does not help. */
export interface NoChoice {
  readonly problem: string;
  readonly reason?: FailureReason;
}

/** Entries behind the leader that still count as caught up: what arrives between two answers. */
const MAX_LAG = 1_000n;

/**
 * Pure. `revision` is that of a linearizable read made before the statuses: a member below it lacks an acknowledged
 * write. `corrupt` are the ids of members with a CORRUPT alarm, `tried` names that failed already. A member that failed
 * is taken again only if there is no other.
 */
export function pickMember(
  candidates: readonly Candidate[],
  o: { readonly revision: bigint; readonly corrupt: ReadonlySet<string>; readonly tried: ReadonlySet<string> },
): Choice | NoChoice {
  if (o.corrupt.has(UNKNOWN_MEMBER)) {
    const problem = 'a CORRUPT alarm does not say which member differs: any of them may be the one that lost data';
    return { problem, reason: 'CorruptAlarm' };
  }
  const problems: string[] = [];
  const fit: Choice[] = [];
  const highest = candidates.reduce(
    (max, c) => (c.status !== undefined && c.status.raftIndex > max ? c.status.raftIndex : max),
    0n,
  );
  for (const { name, status } of candidates) {
    const problem = unfit(status, highest, o);
    if (problem === undefined) fit.push({ name, status: status as MemberStatus });
    else problems.push(`${name} ${problem}`);
  }
  const leads = (c: Choice): number => Number(c.status.leaderId === c.status.memberId);
  const [best] = fit.toSorted(
    (a, b) =>
      Number(o.tried.has(a.name)) - Number(o.tried.has(b.name)) ||
      leads(a) - leads(b) ||
      Number(b.status.raftAppliedIndex - a.status.raftAppliedIndex) ||
      a.name.localeCompare(b.name),
  );
  return best ?? { problem: problems.join('; ') };
}

function unfit(
  status: MemberStatus | undefined,
  highest: bigint,
  o: { readonly revision: bigint; readonly corrupt: ReadonlySet<string> },
): string | undefined {
  if (status === undefined) return 'does not answer';
  if (status.isLearner) return 'is a learner';
  if (o.corrupt.has(status.memberId)) return 'has a CORRUPT alarm';
  if (status.leaderId === undefined) return 'knows no leader';
  if (status.revision < o.revision) return `is at revision ${status.revision}, behind ${o.revision}`;
  if (highest - status.raftAppliedIndex > MAX_LAG) return `is ${highest - status.raftAppliedIndex} entries behind`;
  return undefined;
}
