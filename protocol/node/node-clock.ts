import type { Clock, Timer } from "../base/clock.ts";

const timeoutMaxMs = 2 ** 31 - 1;

function machineClock({ keepsProcessAlive }: { readonly keepsProcessAlive: boolean }): Clock {
  const begin = (delayMs: number, callback: () => void): NodeJS.Timeout => {
    const timer = setTimeout(callback, delayMs);
    if (!keepsProcessAlive) timer.unref();
    return timer;
  };
  /** Node fires a timer beyond 2^31 - 1 ms at once. Such a timer is re-armed until its time has come. */
  const scheduleLong = (delayMs: number, callback: () => void): Timer => {
    const endMs = performance.now() + delayMs;
    const next = (leftMs: number): NodeJS.Timeout =>
      leftMs > timeoutMaxMs
        ? begin(timeoutMaxMs, () => {
            timer = next(endMs - performance.now());
          })
        : begin(Math.max(leftMs, 0), callback);
    let timer = next(delayMs);
    return { cancel: () => clearTimeout(timer) };
  };
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    schedule(delayMs, callback) {
      if (delayMs > timeoutMaxMs) return scheduleLong(delayMs, callback);
      const timer = begin(Math.max(delayMs, 0), callback);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

/** The machine's own time. */
export const nodeClock: Clock = machineClock({ keepsProcessAlive: false });

/**
 * The same for a client library, but its timers keep the process alive: a caller waits for each of them, and with all brokers away nothing
 * else may do so.
 */
export const nodeClientClock: Clock = machineClock({ keepsProcessAlive: true });
