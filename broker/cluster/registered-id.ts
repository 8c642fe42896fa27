import { type Coordinator, CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { idTaken } from "../../coordinator-client/registration.ts";
import { brokerPath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";

export interface RegisteredIdParts {
  readonly coordinator: Coordinator;
  readonly brokerId: BrokerId;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sessionTimeoutMs: number;
}

const lookEveryMs = 200;
/** For an end of the session that ZooKeeper notices late. */
const graceMs = 2_000;

/**
 * For a broker of which no data directory is known, before it waits for anything else. A registration of its id is another broker's, or
 * that of its own earlier life on a disk that was replaced, which ends with its session. Rejects with BrokerIdTaken when it stays.
 *
 * Whether the id is ours is settled by registering, and by nothing else: this only says early what that would say late.
 */
export async function awaitIdFree({ coordinator, brokerId, clock, log, sessionTimeoutMs }: RegisteredIdParts): Promise<void> {
  const path = brokerPath(brokerId);
  const deadlineMs = clock.monotonicMs() + sessionTimeoutMs + graceMs;
  for (let isTold = false; ; ) {
    try {
      const node = await coordinator.read(path);
      if (node === null || node.ownedByUs) return;
      const taken = idTaken(path, node);
      if (clock.monotonicMs() >= deadlineMs) throw taken;
      if (!isTold) log.warn({ waitMaxMs: deadlineMs - clock.monotonicMs() }, `${taken.message}; waiting for that end now`);
      isTold = true;
    } catch (error) {
      // whoever registers waits for the coordinator as long as it takes
      if (!(error instanceof CoordinatorUnavailable) || coordinator.state === "closed") throw error;
      if (clock.monotonicMs() >= deadlineMs) return;
    }
    await sleep(clock, lookEveryMs);
  }
}
