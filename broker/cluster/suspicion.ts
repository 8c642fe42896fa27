import type { BrokerId } from "../../protocol/base/ids.ts";

/** What this broker knows of another's process: it answers; it has been silent for too long; it is not there any more. */
export type Reach = "reached" | "silent" | "gone";

export interface PeerView {
  readonly reach: Reach;
  /** As its last answer had it: its disk takes nothing. */
  readonly isStuck: boolean;
  /** Since its last answer in this registration; Infinity: there was none yet. */
  readonly silentForMs: number;
}

/** `stuck`: it is reached, and its disk takes nothing. */
export type Standing = Reach | "stuck";
export type Suspects = ReadonlyMap<BrokerId, Exclude<Standing, "reached">>;

export const nobodySuspected: Suspects = new Map();

/**
 * Whether this broker hears from a majority of all that are registered, itself included (`views`: the others).
 *
 * An answer counts only while it is fresh (`freshMs`, well below the time after which a broker counts as silent). Otherwise: (1) this
 * broker is cut off from two others at one moment; (2) it had heard from the first a little earlier than from the second, so the first is
 * silent for too long a little earlier; (3) in between it would seem to have a majority with the second.
 */
export function hearsMajority(views: ReadonlyMap<BrokerId, PeerView>, freshMs: number): boolean {
  const isHeard = ({ reach, silentForMs }: PeerView) => reach === "reached" && silentForMs <= freshMs;
  const heard = 1 + [...views.values()].filter(isHeard).length;
  return 2 * heard > views.size + 1;
}

export function standingOf({ reach, isStuck }: PeerView): Standing {
  return reach === "reached" && isStuck ? "stuck" : reach;
}

/**
 * Whether too many of the others are silent or gone for a majority to be left. It may as well be this broker that is: then they have a
 * majority, and may have replaced it. Stricter than not to hear from one just now, which happens on a busy machine.
 */
export function isCutOff(views: ReadonlyMap<BrokerId, PeerView>): boolean {
  const reached = 1 + [...views.values()].filter(({ reach }) => reach === "reached").length;
  return views.size > 0 && 2 * reached <= views.size + 1;
}

/**
 * Whom this broker may act against: nobody, unless it hears from a majority. Otherwise it may be the one that is cut off, and all others
 * are well. `stuck`: this broker itself, while its own disk takes nothing.
 */
export function suspectsOf(views: ReadonlyMap<BrokerId, PeerView>, freshMs: number, stuck: BrokerId | null): Suspects {
  if (!hearsMajority(views, freshMs)) return nobodySuspected;
  const suspects = new Map<BrokerId, Exclude<Standing, "reached">>();
  for (const [id, view] of views) {
    const standing = standingOf(view);
    if (standing !== "reached") suspects.set(id, standing);
  }
  if (stuck !== null) suspects.set(stuck, "stuck");
  return suspects;
}

export function sameSuspects(a: Suspects, b: Suspects): boolean {
  return a.size === b.size && [...a].every(([id, reach]) => b.get(id) === reach);
}
