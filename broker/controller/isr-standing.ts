import { type BrokerId, type IsrEpochs, noBroker } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { ControllerState } from "./controller-state.ts";

/**
 * What a place in an in-sync set is worth, from the registration under which it was given and what that broker is now:
 * - `same-life`: it still is that registration, or the broker is not here to tell.
 * - `whole`: it has registered anew with all it had: only its session was lost, or it was stopped cleanly.
 * - `in-doubt`: it began again after an unclean stop, which may have cost it records. It was in sync when it stopped, so it is the last
 *   resort where nobody better is left.
 * - `outlived`: the same, and the leader is known to have gone on without it. It never was in sync in truth: somebody else has records that
 *   it lacks.
 */
export type Standing = "same-life" | "whole" | "in-doubt" | "outlived";

/** In the place of a registration: the leader was there when that life had ended already. */
const outlivedEpoch = -1;

type Lives = Pick<ControllerState, "brokers" | "recoveredEpochs">;
type Membership = Pick<PartitionRecord, "leader" | "leaderEpoch" | "isr" | "isrEpochs">;

export function standingOf({ brokers, recoveredEpochs }: Lives, { isrEpochs }: Pick<PartitionRecord, "isrEpochs">, id: BrokerId): Standing {
  const takenInUnder = isrEpochs[id];
  if (takenInUnder === outlivedEpoch) return "outlived";
  const registered = brokers.get(id);
  if (takenInUnder === undefined || registered === undefined || registered.epoch <= takenInUnder) return "same-life";
  return (recoveredEpochs.get(id) ?? -1) <= takenInUnder ? "whole" : "in-doubt";
}

/** Whether anything of this state was true of an earlier life of a broker only: it has to be decided again. */
export function namesEarlierLife(lives: Lives, record: Pick<PartitionRecord, "isr" | "isrEpochs">): boolean {
  return record.isr.some((id) => standingOf(lives, record, id) !== "same-life");
}

/**
 * The epochs of a state as read, with members marked that the leader has outlived. The race (KIP-903): (1) the leader decides to take a
 * follower back; (2) the follower loses its power, and with it records that were committed without it, and registers anew; it is not in the
 * set, so there is nothing to take it out of; (3) the leader's late write puts it in; (4) the leader dies before anyone has noticed. Told
 * by either of two things: the state was written after the new life's registration; or the set that this controller knew under this leader
 * did not have the follower (`known`), which means that the controller never held its end against it.
 */
export function withOutlived(lives: Lives, found: Membership, modifiedZxid: number, known: Membership | null): IsrEpochs {
  if (found.leader === noBroker) return found.isrEpochs;
  const isNew = (id: BrokerId) => known !== null && known.leaderEpoch === found.leaderEpoch && !known.isr.includes(id);
  const isOutlived = (id: BrokerId) => {
    if (id === found.leader) return false;
    if (!lives.brokers.has(id)) return isNew(id);
    return standingOf(lives, found, id) === "in-doubt" && (isNew(id) || (lives.recoveredEpochs.get(id) ?? -1) < modifiedZxid);
  };
  const outlived = found.isr.filter(isOutlived);
  return outlived.length === 0 ? found.isrEpochs : { ...found.isrEpochs, ...Object.fromEntries(outlived.map((id) => [id, outlivedEpoch])) };
}
