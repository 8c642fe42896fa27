import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { ClientMemory } from "./client-memory.ts";
import type { Progress } from "./holder-progress.ts";

/** A connection that holds memory which only its client can release: by sending the rest of a request, or by reading its answers. */
export interface MemoryHolder {
  readonly remote: string;
  readonly reclaimableBytes: number;
  readonly half: HalfRequest;
  /** Since this was last called. */
  takeProgress(): Progress;
  destroy(reason: string): void;
}

/** A request as far as it has arrived. */
export interface HalfRequest {
  readonly bytes: number;
  readonly lastCameMs: number;
}

export interface ReclaimNeed {
  readonly neededBytes: number;
  /** Held by requests being served. */
  readonly underWayBytes: number;
  readonly isSpentLong: boolean;
}

export interface ReclaimParts {
  readonly memory: ClientMemory;
  readonly holders: () => Iterable<MemoryHolder>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The memory is spent for this long before any connection is closed; others may have to wait twice as long with a large request. */
const reclaimAfterMs = 1000;
/** A connection that moves less of what it holds in that time is slow: it would take ten times as long and more. */
const slowShare = 0.1;
/** A connection that holds less is spared at first: closing it would not help, unless very many hold little. */
const holderMinBytes = 16 * 1024;
/** Spent for this long, although connections that hold much and are slow were closed: it must be those that hold little. */
const spentLongMs = 10_000;
/** Nearly spent: waiting connections take what is released at once. */
const nearlySpentShare = 0.9;
/** This much is freed at a time, so that it is not spent again with the next request. */
const freedToShare = 0.75;
/** Addresses named in one line. */
const namedMax = 5;

/** Closes connections when the memory for clients is spent and stays so: of those that make no progress, the ones that hold most. */
export class MemoryReclaim {
  readonly #parts: ReclaimParts;
  #timer: Timer | null = null;
  #spentSinceMs = 0;

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
    parts.memory.onSpent = () => this.#watch();
  }

  close(): void {
    this.#parts.memory.onSpent = () => {};
    this.#timer?.cancel();
  }

  #watch(): void {
    if (this.#timer !== null) return;
    for (const holder of this.#parts.holders()) holder.takeProgress();
    this.#spentSinceMs = this.#parts.clock.monotonicMs();
    this.#watchOn();
  }

  #watchOn(): void {
    this.#timer = this.#parts.clock.schedule(reclaimAfterMs, () => this.#reclaim());
  }

  #isNearlySpent(): boolean {
    return this.#parts.memory.usedBytes >= this.#parts.memory.maxBytes * nearlySpentShare;
  }

  #reclaim(): void {
    this.#timer = null;
    const { memory, holders, clock, log } = this.#parts;
    if (!this.#isNearlySpent()) return;
    const closed = slowestHolders(holders(), {
      neededBytes: memory.usedBytes - memory.maxBytes * freedToShare,
      underWayBytes: memory.underWayBytes,
      isSpentLong: clock.monotonicMs() - this.#spentSinceMs >= spentLongMs,
    });
    if (closed.length > 0) {
      const heldBytes = closed.reduce((sum, { reclaimableBytes }) => sum + reclaimableBytes, 0);
      log.warn(
        { usedBytes: memory.usedBytes, maxBytes: memory.maxBytes, closed: closed.length, heldBytes, remotes: remotesOf(closed) },
        "the memory for clients (queued.max.request.bytes) is spent: closed those that hold most of it and do not send the rest of their requests or read their answers",
      );
      for (const holder of closed) holder.destroy("the memory for clients is spent");
    }
    memory.letNextOn(); // a connection that did not use its turn has lost it
    if (this.#isNearlySpent() && this.#timer === null) this.#watchOn();
  }
}

/**
 * Of those that make no progress, the ones that hold most, until they hold `neededBytes`; where that has not helped for long, then the ones
 * that began a request and sent nothing for the longest, however little it is. None, where requests being served hold more than all of
 * them: then those take long (the disk may have stalled), and closing others would not speed them up.
 */
export function slowestHolders<H extends Pick<MemoryHolder, "reclaimableBytes" | "half" | "takeProgress">>(
  holders: Iterable<H>,
  { neededBytes, underWayBytes, isSpentLong }: ReclaimNeed,
): readonly H[] {
  const slow: H[] = [];
  for (const holder of holders) {
    const { heldBytes, movedBytes } = holder.takeProgress();
    if (movedBytes < heldBytes * slowShare) slow.push(holder);
  }
  const sized = slow.map((holder) => ({ holder, bytes: holder.reclaimableBytes }));
  const chosenFrom = sized.filter(({ bytes }) => bytes > holderMinBytes).sort((a, b) => b.bytes - a.bytes);
  if (isSpentLong) {
    const idle = sized.filter(({ holder, bytes }) => bytes <= holderMinBytes && holder.half.bytes > 0);
    chosenFrom.push(...idle.sort((a, b) => a.holder.half.lastCameMs - b.holder.half.lastCameMs));
  }
  if (chosenFrom.reduce((sum, { bytes }) => sum + bytes, 0) < underWayBytes) return [];
  const chosen: H[] = [];
  let chosenBytes = 0;
  for (const { holder, bytes } of chosenFrom) {
    if (chosenBytes >= neededBytes) break;
    chosen.push(holder);
    chosenBytes += bytes;
  }
  return chosen;
}

function remotesOf(closed: readonly MemoryHolder[]): readonly string[] {
  return closed.slice(0, namedMax).map(({ remote }) => remote);
}
