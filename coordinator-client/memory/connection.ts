import type { Clock } from "../../protocol/base/clock.ts";

/** The state of the network between one client and the servers. Shared by all its connections. */
export interface NetworkPath {
  /** Nothing gets through, silently: what is sent waits, as TCP would keep trying. */
  isCut: boolean;
}

/** One TCP-like connection: two ordered streams of messages with latency; closed for good by either end. */
export class MemoryConnection {
  readonly #clock: Clock;
  readonly #path: NetworkPath;
  readonly #latencyMs: () => number;
  /** Delivery times rise within a direction, so messages keep their order. */
  readonly #lastDueMs = { "to-server": 0, "to-client": 0 };
  #held: (() => void)[] = [];
  #isOpen = true;

  constructor(clock: Clock, path: NetworkPath, latencyMs: () => number) {
    this.#clock = clock;
    this.#path = path;
    this.#latencyMs = latencyMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  carry(direction: "to-server" | "to-client", deliver: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const dueMs = Math.max(nowMs + this.#latencyMs(), this.#lastDueMs[direction]);
    this.#lastDueMs[direction] = dueMs;
    this.#clock.schedule(dueMs - nowMs, () => {
      if (!this.#isOpen) return;
      if (this.#path.isCut || this.#held.length > 0) this.#held.push(deliver);
      else deliver();
    });
  }

  /** Delivers what waited for the cut to heal. */
  releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) if (this.#isOpen) deliver();
  }

  /** What is under way in either direction is dropped. */
  close(): void {
    this.#isOpen = false;
    this.#held = [];
  }
}
