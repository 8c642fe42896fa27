import { partitionKey } from "../../protocol/base/ids.ts";
import type { MoveUnderWay } from "./moves-under-way.ts";

export interface PacedMove extends MoveUnderWay {
  /** Null: not known yet. */
  readonly bytesPerSecond: number | null;
}

interface Look {
  readonly bytesLeft: number;
  readonly bytesPerSecond: number | null;
}

/** So much a new look counts against those before it. */
const newest = 0.3;

/** How fast moves get on, from one look at them to the next. */
export class CopyingPace {
  #lookedAtMs = 0;
  #looks = new Map<string, Look>();

  saw(moves: readonly MoveUnderWay[], nowMs: number): readonly PacedMove[] {
    const seconds = (nowMs - this.#lookedAtMs) / 1000;
    this.#lookedAtMs = nowMs;
    const looks = new Map<string, Look>();
    const paced = moves.map((move) => {
      const key = partitionKey(move.topic, move.partition);
      const before = this.#looks.get(key);
      if (move.bytesLeft === null) return { ...move, bytesPerSecond: before?.bytesPerSecond ?? null };
      const bytesPerSecond = before === undefined || seconds <= 0 ? null : smoothed(before, move.bytesLeft, seconds);
      looks.set(key, { bytesLeft: move.bytesLeft, bytesPerSecond });
      return { ...move, bytesPerSecond };
    });
    this.#looks = looks;
    return paced;
  }
}

/** What is written meanwhile is to be copied, too: what is left may grow. */
function smoothed(before: Look, bytesLeft: number, seconds: number): number {
  const now = Math.max(0, before.bytesLeft - bytesLeft) / seconds;
  return before.bytesPerSecond === null ? now : newest * now + (1 - newest) * before.bytesPerSecond;
}
