import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { Transport } from "../../protocol/base/transport.ts";

/** What a process publishes for whoever observes it, whether the program itself knows of that or not. */
export interface DiagnosticsChannel {
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/**
 * What the client needs from its environment. The defaults are the machine's own (`node-runtime.ts`); tests and the simulator pass in
 * theirs.
 */
export interface ClientRuntime {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly random: Random;
  /** For what happens in the background: reconnects, refreshes. Silent by default; the option `logger` takes its place. */
  readonly log: Logger;
  /** The channel of this name; absent: nobody observes. */
  readonly diagnostics?: (name: string) => DiagnosticsChannel;
}
