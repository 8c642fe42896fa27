/** What is known of a session's link. Times in milliseconds on the monotonic clock. */
export interface LinkHealth {
  readonly timeoutMs: number;
  readonly linkIsUp: boolean;
  /** When something was last heard, or the link came up. */
  readonly heardMs: number;
  /** When the last proof of life was requested. */
  readonly probedMs: number;
  /** When the oldest unanswered request was sent; null when all are answered. */
  readonly oldestUnansweredMs: number | null;
  /** Until when the session is proved to be alive. */
  readonly provedUntilMs: number;
}

export type LinkVerdict =
  | { readonly kind: "wait"; readonly untilMs: number }
  /** Send something, so that the server keeps the session and its answer proves it. */
  | { readonly kind: "probe" }
  /** The link is silent, or a request is stuck: try another server while the session may still be saved. */
  | { readonly kind: "drop"; readonly reason: string }
  /** No proof for a whole session timeout: the server may have expired it. */
  | { readonly kind: "presume-lost" };

/**
 * The watchdog's decision. Probing at a third of the timeout leaves room for two more probes; dropping at two thirds leaves a third to find
 * another server. The server counts the timeout from when it received a request, which is later than when we sent it: counting from the
 * send time errs on the safe side.
 *
 * One limit is ZooKeeper's own: a follower that has lost its leader answers reads until it notices (`syncLimit` ticks), while the leader
 * may expire the session. No client can tell. Epochs, not this proof, fence a deposed leader; this only ends its acknowledgements early.
 */
export function judgeLink(health: LinkHealth, nowMs: number): LinkVerdict {
  const { timeoutMs, heardMs, probedMs, oldestUnansweredMs, provedUntilMs } = health;
  if (nowMs >= provedUntilMs) return { kind: "presume-lost" };
  if (!health.linkIsUp) return { kind: "wait", untilMs: provedUntilMs };
  const silentAtMs = heardMs + silenceMaxMs(timeoutMs);
  if (nowMs >= silentAtMs) return { kind: "drop", reason: `nothing heard for ${Math.round(nowMs - heardMs)} ms` };
  const stuckAtMs = oldestUnansweredMs === null ? Number.POSITIVE_INFINITY : oldestUnansweredMs + silenceMaxMs(timeoutMs);
  if (nowMs >= stuckAtMs)
    return { kind: "drop", reason: `a request unanswered for ${Math.round(nowMs - (oldestUnansweredMs ?? nowMs))} ms` };
  const probeAtMs = probedMs + timeoutMs / 3;
  if (nowMs >= probeAtMs) return { kind: "probe" };
  return { kind: "wait", untilMs: Math.min(provedUntilMs, silentAtMs, stuckAtMs, probeAtMs) };
}

export function silenceMaxMs(timeoutMs: number): number {
  return (timeoutMs * 2) / 3;
}
