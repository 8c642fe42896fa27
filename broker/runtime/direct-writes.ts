/** Larger writes hold the main thread up for longer than the way through the pool does. */
const directBytesMax = 1024 * 1024;
/** The kernel takes 1 MiB into its cache in well under a millisecond; a write that takes this long has waited for the disk. */
const stallMs = 50;
/** Of a second, in direct writes: more is no burst but a kernel that makes each of them wait a little. */
const busyMsPerSecondMax = 500;
const slowSyncMs = 1_000;
const pauseMinMs = 30_000;
const pauseMaxMs = 600_000;

/**
 * Whether a write may be handed to the kernel by the main thread, instead of one of libuv's pool. The kernel's cache takes it in the time
 * that the way to the pool and back takes the main thread, without waking two threads: a sixth less CPU and a fifth more throughput where
 * they compete for cores (docs/performance.md).
 *
 * But a kernel whose disk does not keep up makes writers wait, and with the main thread everything waits, heartbeats too. So after the
 * first write that had to wait, and while a sync takes long, which is seen before writes have to wait, everything goes through the pool:
 * for half a minute, and twice as long each time it happens again soon.
 */
export class DirectWrites {
  readonly #monotonicMs: () => number;
  readonly #syncs = new Set<{ readonly startedMs: number }>();
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #pauseMs = pauseMinMs;
  #secondFromMs = Number.NEGATIVE_INFINITY;
  #busyMs = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  mayWrite(bytes: number): boolean {
    if (bytes > directBytesMax) return false;
    const nowMs = this.#monotonicMs();
    const [oldest] = this.#syncs;
    return nowMs >= this.#pausedUntilMs && (oldest === undefined || nowMs - oldest.startedMs < slowSyncMs);
  }

  /** Runs a direct write and sees how long it takes. */
  timed<T>(write: () => T): T {
    const startedMs = this.#monotonicMs();
    try {
      return write();
    } finally {
      const nowMs = this.#monotonicMs();
      if (nowMs - startedMs >= stallMs || this.#busyIn(nowMs, nowMs - startedMs) > busyMsPerSecondMax) this.#pause();
    }
  }

  /** Milliseconds of direct writes in the present second, with this one. */
  #busyIn(nowMs: number, tookMs: number): number {
    if (nowMs - this.#secondFromMs >= 1_000) {
      this.#secondFromMs = nowMs;
      this.#busyMs = 0;
    }
    this.#busyMs += tookMs;
    return this.#busyMs;
  }

  /** A sync that goes through the pool. */
  async syncing(sync: Promise<void>): Promise<void> {
    const running = { startedMs: this.#monotonicMs() };
    this.#syncs.add(running);
    try {
      await sync;
    } finally {
      this.#syncs.delete(running);
      if (this.#monotonicMs() - running.startedMs >= slowSyncMs) this.#pause();
    }
  }

  #pause(): void {
    const nowMs = this.#monotonicMs();
    // one stall is seen by all that waited in it
    if (nowMs < this.#pausedUntilMs) return;
    const isCalm = nowMs - this.#pausedUntilMs >= pauseMaxMs;
    this.#pauseMs = isCalm ? pauseMinMs : Math.min(2 * this.#pauseMs, pauseMaxMs);
    this.#pausedUntilMs = nowMs + this.#pauseMs;
  }
}
