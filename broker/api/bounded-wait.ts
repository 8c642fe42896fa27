/** No request is held for longer, whatever its client allows: it is answered as if its time were over, and the client asks again. */
const waitMaxMs = 300_000;

/** How long a request may wait that says so itself. */
export function boundedWaitMs(timeoutMs: number): number {
  return Math.max(0, Math.min(timeoutMs, waitMaxMs));
}
