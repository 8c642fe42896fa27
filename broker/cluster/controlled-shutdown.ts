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

/** A controller that stops is replaced within about this time. */
const controllerPauseMs = 100;
/** A replica that was nearly in sync joins within about this time, and a broker that stops with us is gone by then. */
const replicaPauseMs = 250;

/**
 * `moved`: nothing is led any more. `futile`: waiting will not move what is left. `later`: a replica may still get in sync. `no
 * controller`: there is none, or it is another broker by now.
 */
type ShutdownOutcome = { readonly kind: "moved" } | { readonly kind: "futile" | "later" | "no controller"; readonly reason: string };

/**
 * Asks the controller to move this broker's leaderships away, until none is left or none can be moved, the attempts are used up or
 * `timeoutMs` has elapsed. False: it stops while still leading something (no other replica was in sync, or there was no controller to ask).
 *
 * An attempt lasts as long as Kafka's pause between two, and asks repeatedly meanwhile. A controller that stops at the same time is
 * replaced at once. And: (1) three brokers stop together, the controller among them; (2) the next controller does not know that the second
 * is stopping, too, and says that it may still get in sync; (3) a moment later it is gone, and there is nothing to wait for.
 */
export async function controlledShutdown(parts: ControlledShutdownParts, { timeoutMs }: { readonly timeoutMs: number }): Promise<boolean> {
  const { clock, log, retriesMax, retryBackoffMs } = parts;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  const leftMs = () => Math.max(0, deadlineMs - clock.monotonicMs());
  for (let attempt = 0; attempt <= retriesMax && leftMs() > 0; attempt++) {
    const patientUntilMs = clock.monotonicMs() + retryBackoffMs;
    const isPatient = () => leftMs() > 0 && clock.monotonicMs() < patientUntilMs;
    let outcome = await ask(parts, leftMs());
    while (isPatient() && (outcome.kind === "no controller" || (outcome.kind === "later" && attempt < retriesMax))) {
      await sleep(clock, Math.min(outcome.kind === "later" ? replicaPauseMs : controllerPauseMs, leftMs()));
      outcome = await ask(parts, leftMs());
    }
    if (outcome.kind === "moved") return true;
    log.warn({ attempt, reason: outcome.reason }, "controlled shutdown is not complete");
    if (outcome.kind === "futile") return false;
  }
  return false;
}

async function ask({ brokerId, membership, controller }: ControlledShutdownParts, timeoutMs: number): Promise<ShutdownOutcome> {
  // without a registration it leads nothing, and there may be no ZooKeeper to wait for
  if (membership.epoch < 0) return { kind: "futile", reason: "this broker is not registered" };
  let body: ControlledShutdownResponse;
  try {
    ({ body } = await controller.request(
      "controlled-shutdown",
      { brokerId, brokerEpoch: membership.epoch },
      { timeoutMs, lane: "control" },
    ));
  } catch (error) {
    if (error instanceof InvariantViolation) throw error;
    return { kind: "no controller", reason: error instanceof Error ? error.message : String(error) };
  }
  const { error, message, remaining, mayMoveLater } = body;
  if (error !== "NONE") return { kind: error === "NOT_CONTROLLER" ? "no controller" : "later", reason: `${error} ${message}` };
  if (remaining.length === 0) return { kind: "moved" };
  const named = remaining.slice(0, 5).map(({ topic, partition }) => `${topic}-${partition}`);
  const reason = `still leading ${remaining.length} partitions that nobody else is in sync with (${named.join(", ")}${remaining.length > 5 ? ", …" : ""})`;
  return { kind: mayMoveLater ? "later" : "futile", reason };
}
