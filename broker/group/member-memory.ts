import { invariant } from "../../protocol/base/invariant.ts";

/**
 * What members take, over all groups that this broker coordinates: what they say of themselves, what they are assigned, and the ids that
 * were handed out to those who are about to join. It is kept for as long as they are members, which may be long before any of it is in a
 * log, and longer than any request is under way: so it has a bound of its own, and does not count as memory that requests hold.
 *
 * Whatever the log says is kept and counted. What is refused beyond the bound (COORDINATOR_NOT_AVAILABLE: clients ask again after a while)
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

/** What a member takes before it says anything: its object, its places in maps, its timer. Near enough. */
export const memberOverheadBytes = 2_000;
/** The same of an id that was handed out. */
export const pendingOverheadBytes = 600;

const stringOverheadBytes = 24;

/** Two bytes for a character: so much they take outside of Latin 1. */
export function textBytes(text: string | null): number {
  return text === null ? 0 : stringOverheadBytes + 2 * text.length;
}
