import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { ClientMemory } from "./client-memory.ts";
import type { Progress } from "./holder-progress.ts";

/** Whoever holds memory that it alone can let go of: by sending the rest of a request, or by reading its answers. */
export interface MemoryHolder {
  readonly remote: string;
  readonly reclaimableBytes: number;
  /** Since this was last asked. */
  takeProgress(): Progress;
  destroy(reason: string): void;
}

export interface ReclaimParts {
  readonly memory: ClientMemory;
  readonly holders: () => Iterable<MemoryHolder>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The memory is spent for this long before anyone is closed; twice this is what others may have to wait with a large request. */
const reclaimAfterMs = 1000;
/** Whoever moves less of what it holds in that time is slow: it would take ten times as long and more. */
const slowShare = 0.1;
/** Whoever holds less is left alone: closing it would help nobody. */
const holderMinBytes = 16 * 1024;
/** Nearly spent: those who wait for room take what is given back at once. */
const nearlySpentShare = 0.9;
/** As much is freed at a time, so that it is not spent again with the next request. */
const freedToShare = 0.75;
/** Addresses named in one line. */
const namedMax = 5;

/** Closes connections when the memory for clients is spent and stays so: of those that do not get on, the ones that hold most. */
export class MemoryReclaim {
  readonly #parts: ReclaimParts;
  #timer: Timer | null = null;

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
    this.#watchOn();
  }

  #watchOn(): void {
    this.#timer = this.#parts.clock.schedule(reclaimAfterMs, () => this.#reclaim());
  }

  #reclaim(): void {
    this.#timer = null;
    const { memory, holders, log } = this.#parts;
    if (memory.usedBytes < memory.maxBytes * nearlySpentShare) return;
    const closed = slowestHolders(holders(), {
      neededBytes: memory.usedBytes - memory.maxBytes * freedToShare,
      underWayBytes: memory.underWayBytes,
    });
    if (closed.length > 0) {
      const heldBytes = closed.reduce((sum, { reclaimableBytes }) => sum + reclaimableBytes, 0);
      log.warn(
        { usedBytes: memory.usedBytes, maxBytes: memory.maxBytes, closed: closed.length, heldBytes, remotes: remotesOf(closed) },
        "the memory for clients (queued.max.request.bytes) is spent: closed those that hold most of it and do not send the rest of their requests or read their answers",
      );
      for (const holder of closed) holder.destroy("the memory for clients is spent");
    }
    memory.letNextOn(); // whoever did not use its turn has lost it
    if (memory.isSpent && this.#timer === null) this.#watchOn();
  }
}

/**
 * Of those that do not get on, the ones that hold most, until they hold `neededBytes`. None, where requests under way hold more than all of them: then it is those that take long (the disk may stand still), and closing others would
 * not speed them up.
 */
export function slowestHolders<H extends Pick<MemoryHolder, "reclaimableBytes" | "takeProgress">>(
  holders: Iterable<H>,
  { neededBytes, underWayBytes }: { readonly neededBytes: number; readonly underWayBytes: number },
): readonly H[] {
  const slow: { readonly holder: H; readonly bytes: number }[] = [];
  let slowBytes = 0;
  for (const holder of holders) {
    const bytes = holder.reclaimableBytes;
    const { heldBytes, movedBytes } = holder.takeProgress();
    if (movedBytes >= heldBytes * slowShare || bytes <= holderMinBytes) continue;
    slow.push({ holder, bytes });
    slowBytes += bytes;
  }
  if (slowBytes < underWayBytes) return [];
  slow.sort((a, b) => b.bytes - a.bytes);
  const chosen: H[] = [];
  let chosenBytes = 0;
  for (const { holder, bytes } of slow) {
    if (chosenBytes >= neededBytes) break;
    chosen.push(holder);
    chosenBytes += bytes;
  }
  return chosen;
}

function remotesOf(closed: readonly MemoryHolder[]): readonly string[] {
  return closed.slice(0, namedMax).map(({ remote }) => remote);
}
