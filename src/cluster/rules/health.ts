// SPDX-License-Identifier: Apache-2.0
// Says what is wrong with a formed cluster: members that do not serve, a quorum that is away.
import type { MemberView, Observed } from '../observed.ts';
import type { Finding, Ruling } from '../plan.ts';
import { diagnose, lastLine } from './diagnose.ts';

/** Until this many milliseconds a lost quorum is taken for a restart that ends by itself. */
const QUORUM_GRACE_MS = 30_000;

/** etcd's own words when a sealed member finds no data: it would have to join anew, and may not. */
const EMPTY_DATA =
  /cannot fetch cluster info from peer urls|couldn't find local name|member .* has already been bootstrapped/i;

export function whyDown(m: MemberView): string {
  const container = m.pod?.status?.containerStatuses?.[0];
  const last = container?.lastState?.terminated?.message ?? container?.state?.terminated?.message;
  if (m.pod === undefined) return 'its pod is missing';
  if (m.pod.metadata.deletionTimestamp !== undefined) return 'its pod is being replaced';
  if (last !== undefined && EMPTY_DATA.test(last))
    return 'its data directory is empty, and it may not start without its data';
  if (last !== undefined && container?.state?.running === undefined) return `it exits: ${lastLine(last).slice(0, 200)}`;
  return m.error ?? 'it does not answer';
}

const lostData = (m: MemberView): boolean => whyDown(m).startsWith('its data directory is empty');

export function healthRule(o: Observed): Ruling | undefined {
  if (o.identity?.phase !== 'Formed') return undefined;
  const down = o.members.filter((m) => m.status === undefined);
  if (!o.quorum.read) return { finding: quorumFinding(o, down) };
  if (down.length === 0) return undefined;
  const lost = down.filter(lostData);
  const message = down.map((m) => `${m.name}: ${whyDown(m)}`).join('; ');
  if (lost.length > 0) {
    const remedy =
      'the others keep serving; bring its volume back, or restore the cluster from a backup (this version cannot replace a member yet)';
    return { finding: { kind: 'blocked', reason: 'MemberDataLost', message: `${message}; ${remedy}` } };
  }
  return { finding: diagnose(o) ?? { kind: 'progress', reason: 'MemberUnhealthy', message } };
}

function quorumFinding(o: Observed, down: readonly MemberView[]): Finding {
  const available = o.cluster.status?.conditions?.find((c) => c.type === 'Available');
  const since = available?.status === 'False' ? o.now.getTime() - Date.parse(available.lastTransitionTime) : 0;
  const why = down.map((m) => `${m.name}: ${whyDown(m)}`).join('; ');
  const message = `no linearizable read succeeds${why === '' ? ` (${o.quorum.error ?? 'no answer'})` : `; ${why}`}`;
  const lost = down.some(lostData);
  if (since <= QUORUM_GRACE_MS && !lost) return { kind: 'progress', reason: 'QuorumLost', message };
  const remedy = 'nothing is changed by itself while the quorum is away: bring the members or their volumes back';
  return { kind: 'blocked', reason: 'QuorumLost', message: `${message}; ${remedy}` };
}
