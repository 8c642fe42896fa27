import type { BrokerId } from "../../protocol/base/ids.ts";
import { isGivenUp, isReplaced, type Reassigned, targetOf } from "../runtime/reassignment-rules.ts";

/** Of a leader's state. */
interface Members extends Reassigned {
  readonly self: BrokerId;
  readonly isr: ReadonlySet<BrokerId>;
}

/** There are members that a reassignment removes, and this leader stays: it takes them out once they are not needed. */
export function isReleasing({ self, reassignment, isr }: Members): boolean {
  return reassignment !== undefined && !reassignment.removing.includes(self) && reassignment.removing.some((id) => isr.has(id));
}

/** A follower that is being removed does not come (back) into the in-sync set, once others have its place. */
export function isNeededNoMore(state: Members, id: BrokerId): boolean {
  if (state.reassignment?.removing.includes(id) !== true) return false;
  return isGivenUp(state, id) || isReplaced(state, state.isr, () => true);
}

/**
 * The members to be taken out because others have their place: this leader's word is the only one that counts here, since it has
 * everything, and knows best who else has. Each of the others must have fetched in this epoch. Otherwise:
 * 1. They are gone, and nobody has noticed yet. This leader has just taken over.
 * 2. It takes out the last other member that lives.
 * 3. It dies, too, and the members that have everything do not count.
 */
export function released(
  state: Members & { readonly followers: ReadonlyMap<BrokerId, { readonly brokerEpoch: number }> },
  { isAlive, isSuspected }: { readonly isAlive: (id: BrokerId) => boolean; readonly isSuspected: (id: BrokerId) => boolean },
): ReadonlySet<BrokerId> {
  const none = new Set<BrokerId>();
  if (!isReleasing(state) || !isReplaced(state, state.isr, isAlive)) return none;
  const isWell = (id: BrokerId) =>
    id === state.self || ((state.followers.get(id)?.brokerEpoch ?? -1) >= 0 && isAlive(id) && !isSuspected(id));
  if (!targetOf(state).every((id) => !state.isr.has(id) || isWell(id))) return none;
  return new Set(state.reassignment!.removing.filter((id) => state.isr.has(id)));
}
