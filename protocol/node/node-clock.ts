import type { Clock } from "../base/clock.ts";

const timeoutMaxMs = 2 ** 31 - 1;

function machineClock({ keepsProcessAlive }: { readonly keepsProcessAlive: boolean }): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    schedule(delayMs, callback) {
      const endMs = performance.now() + delayMs;
      const arm = (leftMs: number): NodeJS.Timeout => {
        // Node fires a timer beyond 2^31 - 1 ms at once: such a one is armed again until its time has come
        const isLast = !(leftMs > timeoutMaxMs);
        const armed = isLast
          ? setTimeout(callback, Math.max(leftMs, 0))
          : setTimeout(() => {
              timer = arm(endMs - performance.now());
            }, timeoutMaxMs);
        if (!keepsProcessAlive) armed.unref();
        return armed;
      };
      let timer = arm(delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

/** The machine's own time. */
export const nodeClock: Clock = machineClock({ keepsProcessAlive: false });

/** The same for a client library: someone waits for every timer it has, and with all brokers away there may be nothing else to keep the process from ending. */
export const nodeClientClock: Clock = machineClock({ keepsProcessAlive: true });
