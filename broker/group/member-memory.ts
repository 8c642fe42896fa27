/*
 * What members take, over all groups that a broker coordinates (`StateMemory`): what they report about themselves, what they are assigned,
 * and the ids that were handed out to clients that are about to join. It is kept for as long as they are members, which may begin long
 * before any of it is in a log. A second budget counts what is pending in transactions (`PendingOffsets`).
 */

/** What a member takes before it reports anything: its object, its entries in maps, its timer. Approximate. */
export const memberOverheadBytes = 2_000;
/** The same of an id that was handed out. */
export const pendingOverheadBytes = 600;

const stringOverheadBytes = 24;

/** Two bytes for a character: that is what they take outside of Latin 1. */
export function textBytes(text: string | null): number {
  return text === null ? 0 : stringOverheadBytes + 2 * text.length;
}
