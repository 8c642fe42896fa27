import type { Clock } from "../../protocol/base/clock.ts";

/** The state of the network between one client and the servers. Shared by all its connections. */
export interface NetworkPath {
  /** Nothing gets through, without an error: what is sent waits, as TCP would keep trying. */
  isCut: boolean;
}

type Direction = "to-server" | "to-client";

/** Each is the receiver's: a client that is suspended hears nothing, while what it sent before is delivered. */
export type Clocks = Readonly<Record<Direction, Clock>>;

interface Held {
  readonly direction: Direction;
  readonly deliver: () => void;
}

/** One TCP-like connection: two ordered streams of messages with latency; closed for good by either end. */
export class MemoryConnection {
  readonly #clocks: Clocks;
  readonly #path: NetworkPath;
  readonly #latencyMs: () => number;
  /** Delivery times rise within a direction, so messages keep their order. */
  readonly #lastDueMs = { "to-server": 0, "to-client": 0 };
  #held: Held[] = [];
  #isOpen = true;

  constructor(clocks: Clocks, path: NetworkPath, latencyMs: () => number) {
    this.#clocks = clocks;
    this.#path = path;
    this.#latencyMs = latencyMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  carry(direction: Direction, deliver: () => void): void {
    const clock = this.#clocks[direction];
    const nowMs = clock.monotonicMs();
    const dueMs = Math.max(nowMs + this.#latencyMs(), this.#lastDueMs[direction]);
    this.#lastDueMs[direction] = dueMs;
    clock.schedule(dueMs - nowMs, () => {
      if (!this.#isOpen) return;
      if (this.#path.isCut || this.#held.length > 0) this.#held.push({ direction, deliver });
      else deliver();
    });
  }

  /** Delivers what waited for the cut to heal. */
  releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const { direction, deliver } of held) this.#clocks[direction].schedule(0, () => this.#isOpen && deliver());
  }

  /** What is in flight in either direction is dropped. */
  close(): void {
    this.#isOpen = false;
    this.#held = [];
  }
}
