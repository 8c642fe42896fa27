import { type EpochStart, type LeaderEpochs, refuseEpoch } from "../../../broker/disk-format.ts";
import type { BatchInfo } from "../../../protocol/records/batch-header.ts";
import type { Fault } from "./finding.ts";

export interface EpochRules {
  /** The contents of `leader-epoch-checkpoint`. Null: there is nothing to compare with. */
  readonly checkpoint: LeaderEpochs | null;
  /** Records below it are deleted, though their batch may still be there, and their epoch forgotten. */
  readonly startOffset: number;
  /** False after an unclean stop: the file may lack what the next start finds in the batches. */
  readonly stoppedCleanly: boolean;
}

/** Checks whether leader epochs rise from batch to batch, and `leader-epoch-checkpoint` agrees. */
export class EpochsCheck {
  readonly #rules: EpochRules;
  #latest = -1;
  #told = -1;

  constructor(rules: EpochRules) {
    this.#rules = rules;
  }

  /** What is wrong with the batch itself. */
  batch({ leaderEpoch, baseOffset, position }: BatchInfo): Fault | null {
    const refused = refuseEpoch(leaderEpoch);
    if (refused !== null) return { position, offset: baseOffset, reason: refused };
    if (leaderEpoch < 0) return null;
    const previous = this.#latest;
    this.#latest = Math.max(previous, leaderEpoch);
    return leaderEpoch >= previous ? null : { position, offset: baseOffset, reason: `leader epoch ${leaderEpoch} comes after ${previous}` };
  }

  /** What is wrong with the checkpoint, as this batch shows. Once per epoch. */
  compare({ leaderEpoch, baseOffset, lastOffset }: BatchInfo): Fault | null {
    const { checkpoint, startOffset, stoppedCleanly } = this.#rules;
    if (checkpoint === null || leaderEpoch < 0 || leaderEpoch <= this.#told || lastOffset < startOffset) return null;
    const first = Math.max(baseOffset, startOffset);
    const [atFirst, atLast] = [checkpoint.epochAt(first), checkpoint.epochAt(lastOffset)];
    if (atFirst === leaderEpoch && atLast === leaderEpoch) return null;
    this.#told = leaderEpoch;
    if (leaderEpoch > checkpoint.latest && !stoppedCleanly)
      return { kind: "note", offset: first, reason: `it does not have epoch ${leaderEpoch} yet; the next start adds it` };
    const said = atFirst === atLast ? `epoch ${atFirst ?? "none"}` : `epochs ${atFirst ?? "none"} and ${atLast}`;
    return { offset: first, reason: `it says ${said} for offsets ${first} to ${lastOffset}, whose batch has epoch ${leaderEpoch}` };
  }

  /** What the checkpoint says about offsets that the log does not have. */
  end(endOffset: number): Fault[] {
    const beyond = (this.#rules.checkpoint?.entries ?? []).filter((entry: EpochStart) => entry.startOffset > endOffset);
    return beyond.map(({ epoch, startOffset }) => ({
      offset: startOffset,
      kind: this.#rules.stoppedCleanly ? "problem" : "note",
      reason: `it says that epoch ${epoch} began at ${startOffset}, but the log ends at ${endOffset}`,
    }));
  }
}
