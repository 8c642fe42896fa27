import { invariant } from "../../../protocol/base/invariant.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../files/checkpoint-file.ts";
import type { EpochStart } from "../log-contract.ts";

/** An int32, in batches and in messages. */
const epochMax = 2 ** 31 - 1;

/**
 * Which leader epoch began at which offset (KIP-101): epochs and their starts both rise strictly. An epoch may have begun at the log's end,
 * before its first record.
 * Kept in memory; `leader-epoch-checkpoint` is its copy on disk.
 */
export class LeaderEpochs {
  #entries: EpochStart[] = [];
  /** Rises with every change, so that a writer can tell whether its copy is current. */
  #version = 0;

  get entries(): readonly EpochStart[] {
    return this.#entries;
  }

  get version(): number {
    return this.#version;
  }

  /** The latest epoch known, or -1. */
  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  /** `epoch` (if it is a new one) begins at `startOffset`. An epoch that began there without a record is replaced. */
  begin(epoch: number, startOffset: number): void {
    const last = this.#entries.at(-1);
    if (last?.epoch === epoch) return;
    this.truncateTo(startOffset);
    const previous = this.#entries.at(-1);
    invariant(previous === undefined || previous.epoch < epoch, "leader epochs only rise", () => ({ previous, epoch, startOffset }));
    this.#entries.push({ epoch, startOffset });
    this.#version++;
  }

  /** The epoch in force at `offset` and the later ones. */
  from(offset: number): readonly EpochStart[] {
    return this.#entries.slice(Math.max(this.#countWhere((entry) => entry.startOffset <= offset) - 1, 0));
  }

  /**
   * What a leader knows of epochs up to `epoch`, whose first remaining record is at `firstOffset`; our log ends at `endOffset`. Compaction
   * may have left out an epoch's first records, or all of them, and yet its bounds decide what a replica that was away has to truncate:
   *
   * (1) Offsets 10 to 14 of epoch 0 are on A only; (2) B leads epoch 1 from 10 on, and compacts 10 to 14 away; (3) C copies B: the first
   * batch of epoch 1 that it sees is at 15; (4) C leads, A comes back with its 15 records of epoch 0. If C took epoch 1 to begin at 15, A
   * would keep what was never committed, and once it leads, serve it.
   */
  learn(
    known: readonly EpochStart[],
    { epoch, firstOffset, endOffset }: { readonly epoch: number; readonly firstOffset: number; readonly endOffset: number },
  ): void {
    for (const entry of known) {
      if (entry.epoch <= this.latest || entry.epoch > epoch || entry.startOffset > firstOffset) continue;
      this.begin(entry.epoch, Math.max(entry.startOffset, endOffset));
    }
  }

  /** Epoch of the record at `offset`, or null before the first known epoch. */
  epochAt(offset: number): number | null {
    return this.#entries[this.#countWhere((entry) => entry.startOffset <= offset) - 1]?.epoch ?? null;
  }

  /** See `Log.endOffsetForEpoch`. Epochs that begin above `logEndOffset` are not known yet. */
  endOffsetFor(epoch: number, logEndOffset: number): { readonly epoch: number; readonly endOffset: number } | null {
    const known = this.#countWhere((entry) => entry.epoch <= epoch && entry.startOffset <= logEndOffset);
    const found = this.#entries[known - 1];
    if (found === undefined) return null;
    return { epoch: found.epoch, endOffset: Math.min(this.#entries[known]?.startOffset ?? logEndOffset, logEndOffset) };
  }

  /** Forgets epochs that begin at `endOffset` or later. */
  truncateTo(endOffset: number): void {
    const kept = this.#countWhere((entry) => entry.startOffset < endOffset);
    if (kept === this.#entries.length) return;
    this.#entries = this.#entries.slice(0, kept);
    this.#version++;
  }

  /** The log begins at `startOffset` now: the epoch in force there begins there, earlier ones are forgotten. */
  startAt(startOffset: number): void {
    const before = this.#countWhere((entry) => entry.startOffset <= startOffset);
    const inForce = this.#entries[before - 1];
    if (inForce === undefined || (before === 1 && inForce.startOffset === startOffset)) return;
    this.#entries = [{ epoch: inForce.epoch, startOffset }, ...this.#entries.slice(before)];
    this.#version++;
  }

  clear(): void {
    this.truncateTo(-1);
  }

  /** Those that begin below `offset`. */
  before(offset: number): LeaderEpochs {
    const epochs = new LeaderEpochs();
    epochs.#entries = this.#entries.slice(
      0,
      this.#countWhere((entry) => entry.startOffset < offset),
    );
    return epochs;
  }

  encode(): Buffer {
    return encodeCheckpoint(this.#entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
  }

  /** Null when the content is damaged. */
  static decode(content: Buffer): LeaderEpochs | null {
    const epochs = new LeaderEpochs();
    for (const line of decodeCheckpoint(content) ?? ["damaged"]) {
      const match = /^(\d{1,10}) (\d{1,16})$/.exec(line);
      const entry = { epoch: Number(match?.[1]), startOffset: Number(match?.[2]) };
      const last = epochs.#entries.at(-1);
      if (match === null || !Number.isSafeInteger(entry.startOffset) || entry.epoch > epochMax) return null;
      if (last !== undefined && (last.epoch >= entry.epoch || last.startOffset >= entry.startOffset)) return null;
      epochs.#entries.push(entry);
    }
    return epochs;
  }

  /** How many entries, from the first on, satisfy a predicate that holds for a prefix of them only. */
  #countWhere(claim: (entry: EpochStart) => boolean): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (claim(this.#entries[middle]!)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Leader epochs never fall from record to record. */
export function epochsRise(batches: readonly { readonly leaderEpoch: number }[], from: number): boolean {
  let latest = from;
  for (const { leaderEpoch } of batches) {
    if (leaderEpoch < latest) return false;
    latest = leaderEpoch;
  }
  return true;
}
