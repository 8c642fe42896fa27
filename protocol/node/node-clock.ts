import type { Clock } from "../base/clock.ts";

function machineClock({ keepsProcessAlive }: { readonly keepsProcessAlive: boolean }): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    schedule(delayMs, callback) {
      // Node fires a timer beyond 2^31 - 1 ms at once
      const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), 2 ** 31 - 1));
      if (!keepsProcessAlive) timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

/** The machine's own time. */
export const nodeClock: Clock = machineClock({ keepsProcessAlive: false });

/** The same for a client library: someone waits for every timer it has, and with all brokers away there may be nothing else to keep the process from ending. */
export const nodeClientClock: Clock = machineClock({ keepsProcessAlive: true });
