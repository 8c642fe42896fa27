import { invariant } from "../../protocol/base/invariant.ts";

/**
 * Memory that clients take for longer than their requests last, and its bound. A second one counts what is pending in transactions
 * (`PendingOffsets`): each producer may have a position at each place.
 *
 * What members take, over all groups that this broker coordinates: what they report about themselves, what they are assigned, and the ids
 * that were handed out to clients that are about to join. It is kept for as long as they are members, which may begin long before any of it
 * is in a log, and last longer than any request is in flight. So it has a bound of its own, and does not count as memory that requests
 * hold.
 *
 * Whatever the log contains is kept and counted. What is refused beyond the bound (COORDINATOR_NOT_AVAILABLE: clients retry after a while)
 * is only what a request would add: a member, a longer subscription, a larger assignment.
 */
export class MemberMemory {
  readonly maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A member that takes no more than before is never refused. */
  hasRoomFor(moreBytes: number): boolean {
    return moreBytes <= 0 || this.#usedBytes + moreBytes <= this.maxBytes;
  }

  change(bytes: number): void {
    this.#usedBytes += bytes;
    invariant(this.#usedBytes >= 0, "nothing is taken off that was not counted", () => ({ usedBytes: this.#usedBytes, bytes }));
  }
}

/** What a member takes before it reports anything: its object, its entries in maps, its timer. Approximate. */
export const memberOverheadBytes = 2_000;
/** The same of an id that was handed out. */
export const pendingOverheadBytes = 600;

const stringOverheadBytes = 24;

/** Two bytes for a character: that is what they take outside of Latin 1. */
export function textBytes(text: string | null): number {
  return text === null ? 0 : stringOverheadBytes + 2 * text.length;
}
