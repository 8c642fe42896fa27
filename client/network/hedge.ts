import type { Clock, Timer } from "../../protocol/base/clock.ts";

export interface HedgeLimits {
  /** When an attempt has taken this long, the next one is started. */
  readonly slowAfterMs: number;
  /** Attempts running at the same time. */
  readonly atOnceMax: number;
}

/**
 * Tries one candidate after the other: the next as soon as an attempt fails, or has taken `slowAfterMs`. The first success wins and the
 * signals of the other attempts abort. Rejects once every candidate has failed, with all their failures in order, or with the reason of
 * `signal`.
 */
export function hedged<C, T>(
  clock: Clock,
  candidates: readonly C[],
  { slowAfterMs, atOnceMax }: HedgeLimits,
  attempt: (candidate: C, signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const failures: unknown[] = [];
    const over = new AbortController();
    let begun = 0;
    let timer: Timer | null = null;
    const finish = (settle: () => void) => {
      if (over.signal.aborted) return;
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
      settle();
      over.abort(new Error("not needed any more: another one has answered"));
    };
    const onAbort = () => finish(() => reject(signal?.reason));
    signal?.addEventListener("abort", onAbort, { once: true });
    const beginNext = () => {
      timer?.cancel();
      if (begun < candidates.length && begun - failures.length < atOnceMax) {
        const candidate = candidates[begun++] as C;
        attempt(candidate, over.signal).then(
          (value) => finish(() => resolve(value)),
          (failure: unknown) => {
            failures.push(failure);
            if (!over.signal.aborted) beginNext();
          },
        );
        if (begun < candidates.length) timer = clock.schedule(slowAfterMs, beginNext);
      } else if (failures.length === candidates.length)
        finish(() => reject(new AggregateError(failures, failures.map(messageOf).join("; "))));
    };
    beginNext();
  });
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
