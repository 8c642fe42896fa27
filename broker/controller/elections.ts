import type { BrokerId } from "../../protocol/base/ids.ts";

/** What an election chooses from, as plain values. `canLead`: the broker lives, has the replica, and is not going away. */
export interface Candidates {
  /** Assignment order: the first is the preferred leader. */
  readonly replicas: readonly BrokerId[];
  /** Those of the in-sync set that were never away since they were taken in. */
  readonly isr: readonly BrokerId[];
  /** Those of it that have registered anew with all they had. */
  readonly whole?: readonly BrokerId[];
  /** Those of it that may have lost records since. */
  readonly inDoubt?: readonly BrokerId[];
  readonly canLead: (id: BrokerId) => boolean;
}

export interface Elected {
  readonly leader: BrokerId;
  /** Taken from outside the in-sync set: records that were acknowledged may be gone. */
  readonly unclean: boolean;
}

/**
 * The leader is gone: the first replica of the assignment that lives and is in sync, if possible one that was never away; with `uncleanAllowed`, else the first that lives. Null: nobody.
 *
 * An election that nobody can vouch for counts as unclean. Else this would happen when the power of all brokers failed: (1) the first one back is elected though it lost its last records;
 * (2) another kept more of them, up to a high watermark it knows; (3) it would have to cut below that and, the election being clean, must not: it is set aside, for ever. The only replica
 * has nobody to disagree with.
 */
export function electOffline({ replicas, isr, whole = [], inDoubt = [], canLead }: Candidates, uncleanAllowed: boolean): Elected | null {
  const firstOf = (members: readonly BrokerId[]) => replicas.find((id) => canLead(id) && members.includes(id));
  const inSync = firstOf(isr) ?? firstOf(whole);
  if (inSync !== undefined) return { leader: inSync, unclean: false };
  const lastResort = firstOf(inDoubt);
  if (lastResort !== undefined) return { leader: lastResort, unclean: replicas.length > 1 };
  if (!uncleanAllowed) return null;
  const any = replicas.find(canLead);
  return any === undefined ? null : { leader: any, unclean: true };
}

/** On demand, after loss of the whole in-sync set: as `electOffline`, and the loss of records is accepted. */
export function electUnclean(candidates: Candidates): Elected | null {
  return electOffline(candidates, true);
}

/** The first replica of the assignment, when it lives and is in sync; else nobody. */
export function electPreferred({ replicas, isr, whole = [], canLead }: Candidates): Elected | null {
  const preferred = replicas[0];
  if (preferred === undefined || !canLead(preferred) || !(isr.includes(preferred) || whole.includes(preferred))) return null;
  return { leader: preferred, unclean: false };
}

/** The leader wants to go: the first in-sync replica of the assignment that stays. Never unclean: the present leader still has everything. */
export function electForShutdown({ replicas, isr, whole = [], canLead }: Candidates, leaving: BrokerId): Elected | null {
  return electOffline({ replicas, isr, whole, canLead: (id) => id !== leaving && canLead(id) }, false);
}

/** The in-sync set under the leader elected. While nobody leads it stays as it was: every member of it has all there is, and any of them may bring the partition back. */
export function isrUnder(elected: Elected | null, isr: readonly BrokerId[], isOnline: (id: BrokerId) => boolean): readonly BrokerId[] {
  if (elected === null) return isr;
  return elected.unclean ? [elected.leader] : isr.filter((id) => id === elected.leader || isOnline(id));
}
