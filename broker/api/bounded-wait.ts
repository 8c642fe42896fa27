/** No request waits longer than this, whatever its client allows: it is answered as if its time were over, and the client retries. */
const waitMaxMs = 300_000;

/** How long a request with a timeout of its own may wait, in milliseconds. */
export function boundedWaitMs(timeoutMs: number): number {
  return Math.max(0, Math.min(timeoutMs, waitMaxMs));
}
