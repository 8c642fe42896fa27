import { invariant } from "../../protocol/base/invariant.ts";

/** The queue is full, or closed: the request was not begun. */
export class EventRefused extends Error {
  override readonly name = "EventRefused";
  readonly reason: "full" | "closed";

  constructor(reason: "full" | "closed") {
    super(reason === "full" ? "too many requests wait for the controller" : "this broker is no longer the controller");
    this.reason = reason;
  }
}

interface Waiting {
  readonly key: string | null;
  readonly isUrgent: boolean;
  run: () => Promise<void>;
  readonly refuse: (reason: EventRefused) => void;
}

/**
 * Runs one event at a time, in order of arrival, urgent ones first, so that the controller decides on a state that nothing else changes
 * meanwhile. Waiting signals with the same key are merged.
 */
export class EventQueue {
  readonly #waiting: Waiting[] = [];
  readonly #waitingMax: number;
  /** Called when a signal fails. Failures of requests go to the caller. */
  readonly #onFailure: (key: string, error: unknown) => void;
  #running = false;
  #closed = false;

  constructor(options: { readonly waitingMax: number; readonly onFailure: (key: string, error: unknown) => void }) {
    this.#waitingMax = options.waitingMax;
    this.#onFailure = options.onFailure;
  }

  /**
   * Never refused because the queue is full: there are only as many keys as kinds of events and brokers. The newest `run` of a key is the
   * one that runs. `isUrgent`: before all that waits and is not, for partitions have no leader meanwhile.
   */
  signal(key: string, run: () => Promise<void>, isUrgent = false): void {
    if (this.#closed) return;
    const guarded = () =>
      run().catch((error) => {
        if (!this.#closed) this.#onFailure(key, error);
      });
    const same = this.#waiting.find((event) => event.key === key);
    if (same !== undefined) same.run = guarded;
    else this.#add({ key, isUrgent, run: guarded, refuse: () => {} });
  }

  /** Rejects with EventRefused when more than `waitingMax` wait, or when the queue is closed before its turn. */
  ask<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new EventRefused("closed"));
    if (this.#waiting.length >= this.#waitingMax) return Promise.reject(new EventRefused("full"));
    return new Promise<T>((resolve, reject) => {
      this.#add({ key: null, isUrgent: false, run: () => run().then(resolve, reject), refuse: reject });
    });
  }

  /** For an event of many steps, between two of them: what is urgent does not wait for the rest. */
  async letUrgentPass(): Promise<void> {
    invariant(this.#running, "only a running event lets others pass");
    while (this.#waiting[0]?.isUrgent === true) await this.#waiting.shift()!.run();
  }

  /** Drops what waits; a running event continues until its next step fails. */
  close(): void {
    this.#closed = true;
    for (const { refuse } of this.#waiting.splice(0)) refuse(new EventRefused("closed"));
  }

  #add(event: Waiting): void {
    const before = event.isUrgent ? this.#waiting.findIndex(({ isUrgent }) => !isUrgent) : -1;
    if (before < 0) this.#waiting.push(event);
    else this.#waiting.splice(before, 0, event);
    if (!this.#running) void this.#drain();
  }

  async #drain(): Promise<void> {
    invariant(!this.#running, "one event at a time");
    this.#running = true;
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) await event.run();
    this.#running = false;
  }
}
