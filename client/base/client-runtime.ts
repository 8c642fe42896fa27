import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { Transport } from "../../protocol/base/transport.ts";

/**
 * What the client takes from its surroundings. The defaults are the machine's own (`node-runtime.ts`); tests and the simulator hand in
 * theirs.
 */
export interface ClientRuntime {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly random: Random;
  /** What happens out of the caller's sight: reconnects, refreshes. Silent by default. */
  readonly log: Logger;
}
