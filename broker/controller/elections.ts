import type { BrokerId } from "../../protocol/base/ids.ts";

/** What an election chooses from, as plain values. `canLead`: the broker lives, has the replica, and is not going away. */
export interface Candidates {
  /** Assignment order: the first is the preferred leader. */
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly canLead: (id: BrokerId) => boolean;
}

export interface Elected {
  readonly leader: BrokerId;
  /** Taken from outside the in-sync set: records that were acknowledged may be gone. */
  readonly unclean: boolean;
}

/** The leader is gone: the first replica of the assignment that lives and is in sync; with `uncleanAllowed`, else the first that lives. Null: nobody. */
export function electOffline({ replicas, isr, canLead }: Candidates, uncleanAllowed: boolean): Elected | null {
  const inSync = replicas.find((id) => canLead(id) && isr.includes(id));
  if (inSync !== undefined) return { leader: inSync, unclean: false };
  if (!uncleanAllowed) return null;
  const any = replicas.find(canLead);
  return any === undefined ? null : { leader: any, unclean: true };
}

/** On demand, after loss of the whole in-sync set: as `electOffline`, and the loss of records is accepted. */
export function electUnclean(candidates: Candidates): Elected | null {
  return electOffline(candidates, true);
}

/** The first replica of the assignment, when it lives and is in sync; else nobody. */
export function electPreferred({ replicas, isr, canLead }: Candidates): Elected | null {
  const preferred = replicas[0];
  if (preferred === undefined || !canLead(preferred) || !isr.includes(preferred)) return null;
  return { leader: preferred, unclean: false };
}

/** The leader wants to go: the first in-sync replica of the assignment that stays. Never unclean: the present leader still has everything. */
export function electForShutdown({ replicas, isr, canLead }: Candidates, leaving: BrokerId): Elected | null {
  return electOffline({ replicas, isr, canLead: (id) => id !== leaving && canLead(id) }, false);
}

/** The in-sync set under the leader elected. While nobody leads it stays as it was: every member of it has all there is, and any of them may bring the partition back. */
export function isrUnder(elected: Elected | null, isr: readonly BrokerId[], isOnline: (id: BrokerId) => boolean): readonly BrokerId[] {
  if (elected === null) return isr;
  return elected.unclean ? [elected.leader] : isr.filter((id) => id === elected.leader || isOnline(id));
}
