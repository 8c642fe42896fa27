import type { BrokerId } from "../../protocol/base/ids.ts";
import type { LogDamage } from "../log/log-contract.ts";

/**
 * What happens to a damaged replica: it is copied again from the leader, as soon as that loses nothing.
 *
 * Nothing is deleted before the leader itself says, in its present epoch, that it neither counts this replica as in sync nor is about to.
 * To ask, the replica fetches from `nothingKept`, an offset that acknowledges nothing: the leader forgets what the replica fetched before,
 * and proposes to remove it from the in-sync set if it is a member. What could go wrong, and does not:
 *
 * (1) The replica is caught up and out of the set; the leader decides to add it, and the write is on its way; (2) the damage is found; (3)
 * the replica, which the metadata does not have in the set, empties its log; (4) the write is carried out and the leader dies: an empty
 * replica would be elected. The fetch from `nothingKept` comes between (2) and (3), and is refused while the write is undecided and while
 * the set has the replica.
 *
 * (1) The leader confirms; (2) it dies, another of the set leads in a new epoch; (3) the log is emptied. The replica was not in the set, so
 * the election was among others, and the new leader adds it only for what it fetches from then on.
 *
 * (1) The log is being emptied; (2) this process dies. The note in the folder is deleted last, so that a restart finds it and begins again;
 * the log is then a prefix of the old one, or the new one.
 *
 * (1) A damaged leader with others in sync tells the controller; (2) those die before another is elected. Then nobody leads until one of
 * them is back: what is damaged here is intact there. A replica that was reported is not elected, unless an operator removes the note
 * (`ottla-damage`) and restarts the broker.
 *
 * (1) Others are in sync, the end of this replica's log is gone; (2) before the report arrives, they die and the controller removes them,
 * so that this replica is alone in the set. It does not lead:
 * others were in sync with it in this life, and it lacks what may have been acknowledged with them.
 */
export const nothingKept = -1;

/** Which replicas are in sync, and which one leads, as far as this broker knows. */
interface Company {
  readonly self: BrokerId;
  readonly leader: BrokerId;
  readonly isr: Iterable<BrokerId>;
}

/**
 * Whether there may be a better copy: another leader, or others in the in-sync set. Without one, the damaged replica is all there is, and
 * keeps leading with what it has.
 */
export function hasBetterCopy({ self, leader, isr }: Company): boolean {
  return (leader >= 0 && leader !== self) || [...isr].some((id) => id !== self);
}

/** Reported to the controller and the operator. */
export function damageReason({ kind, path, position, offset, reason }: LogDamage): string {
  const what =
    kind === "batch"
      ? `damaged batch in ${path} at ${position} (offset ${offset})`
      : `records are gone from ${path}, from offset ${offset} on`;
  return `${what}: ${reason}; to be copied from the leader again`;
}
