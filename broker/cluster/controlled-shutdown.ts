import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { ControlledShutdownResponse } from "../../protocol/peer/messages.ts";
import type { ControllerRequester } from "./controller-link.ts";

export interface ControlledShutdownParts {
  readonly brokerId: BrokerId;
  readonly membership: { readonly epoch: number };
  readonly controller: ControllerRequester;
  readonly clock: Clock;
  readonly log: Logger;
  /** `controlled.shutdown.max.retries`: attempts after the first. */
  readonly retriesMax: number;
  /** `controlled.shutdown.retry.backoff.ms` */
  readonly retryBackoffMs: number;
}

/**
 * Asks the controller to move this broker's leaderships away, until none is left, the attempts are used up or `timeoutMs` is over. False: it goes while still leading something (nobody else
 * was in sync, or there was no controller to ask).
 */
export async function controlledShutdown(parts: ControlledShutdownParts, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
  const { clock, log, retriesMax, retryBackoffMs } = parts;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  for (let attempt = 0; attempt <= retriesMax; attempt++) {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) break;
    const outcome = await ask(parts, leftMs);
    if (outcome === null) return true;
    log.warn({ attempt, reason: outcome }, "controlled shutdown is not complete");
    if (attempt < retriesMax) await sleep(clock, Math.max(0, Math.min(retryBackoffMs, deadlineMs - clock.monotonicMs())));
  }
  return false;
}

/** Null: nothing is led any more. Else why not. */
async function ask({ brokerId, membership, controller }: ControlledShutdownParts, timeoutMs: number): Promise<string | null> {
  if (membership.epoch < 0) return "this broker is not registered";
  let body: ControlledShutdownResponse;
  try {
    ({ body } = await controller.request(
      "controlled-shutdown",
      { brokerId, brokerEpoch: membership.epoch },
      { timeoutMs, lane: "control" },
    ));
  } catch (error) {
    if (error instanceof InvariantViolation) throw error;
    return error instanceof Error ? error.message : String(error);
  }
  if (body.error !== "NONE") return `${body.error} ${body.message}`;
  if (body.remaining.length === 0) return null;
  const named = body.remaining.slice(0, 5).map(({ topic, partition }) => `${topic}-${partition}`);
  return `still leading ${body.remaining.length} partitions that nobody else is in sync with (${named.join(", ")}${body.remaining.length > 5 ? ", …" : ""})`;
}
