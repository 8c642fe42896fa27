/** Time, injected: the simulator's clock jumps, the real one ticks. */
export interface Clock {
  /** Milliseconds since 1970 (wall clock; may step). For timestamps in records only. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never steps back. For every timeout and duration. */
  monotonicMs(): number;
  /**
   * Calls back once after `delayMs` (0: in a later turn of the event loop, never at once). Pending timers do not keep the process alive.
   */
  schedule(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
