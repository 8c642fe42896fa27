import { setTimeout as sleep } from "node:timers/promises";
import { abortable } from "../../client/base/abort.ts";
import { clientSettings } from "../../client/base/client-options.ts";
import { ConnectionLost, RequestTimedOut } from "../../client/base/errors.ts";
import { nodeRuntime } from "../../client/base/node-runtime.ts";
import { ConnectionPool } from "../../client/network/connection-pool.ts";
import { formatTime } from "../output/units.ts";
import { bootstrapText, isVain } from "./bootstrap-origin.ts";

export interface ReachOptions {
  readonly bootstrap: readonly string[];
  /** How long to try. Milliseconds. */
  readonly giveUpAfterMs: number;
  /** Called once when no broker has answered for a while and the attempts continue. */
  readonly onLate: (line: string) => void;
}

/** Nobody answered, at `tried`: in the time that there was, that may be fewer addresses than were given. */
export class Unreached extends RequestTimedOut {
  readonly tried: readonly string[];

  constructor(tried: readonly string[], cause: Error) {
    super(cause.message, { cause });
    this.tried = tried;
  }
}

/** By then the user should know why there is a wait. */
export const lateAfterMs = 2000;
const pauseMs = 100;
/** A cluster that is being started this very moment listens by then, or says in its folder that it is about to. */
const refusedMaxMs = 1000;

/**
 * Resolves when one of the brokers speaks the protocol with us. The client itself tries for much longer, as programs that run for days need
 * it; a user who typed a command wants to learn of a wrong address at once. Rejects with Unreached after `giveUpAfterMs`, or soon where
 * every address refuses and nobody is known to be about to listen; with the signal's reason when `stop` aborts.
 */
export async function reachCluster({ bootstrap, giveUpAfterMs, onLate }: ReachOptions, stop: AbortSignal): Promise<void> {
  const pool = new ConnectionPool(nodeRuntime, clientSettings({ bootstrap, clientId: "ottla-reach", connectTimeoutMs: giveUpAfterMs }));
  const late = AbortSignal.timeout(giveUpAfterMs);
  const ended = AbortSignal.any([stop, late]);
  const untilMs = Date.now() + giveUpAfterMs;
  const refusedUntilMs = performance.now() + refusedMaxMs;
  let failure: ConnectionLost | RequestTimedOut = new RequestTimedOut(`nothing heard for ${giveUpAfterMs / 1000} s`);
  const lateLine = setTimeout(
    () => onLate(lateText(bootstrap, pool.unanswered, failure, untilMs)),
    giveUpAfterMs > lateAfterMs ? lateAfterMs : 2 ** 30,
  );
  try {
    while (!ended.aborted) {
      try {
        await abortable(pool.toAny(), ended);
        return;
      } catch (error) {
        if (ended.aborted) break;
        if (!(error instanceof ConnectionLost || error instanceof RequestTimedOut)) throw error;
        failure = error;
        if (performance.now() > refusedUntilMs && isRefused(error, bootstrap) && isVain(bootstrap)) break;
      }
      await sleep(pauseMs, undefined, { signal: ended }).catch(() => undefined);
    }
    stop.throwIfAborted();
    throw new Unreached(pool.unanswered, failure);
  } finally {
    clearTimeout(lateLine);
    pool.close();
  }
}

/** Nobody listens at any of them. */
function isRefused({ message }: Error, bootstrap: readonly string[]): boolean {
  return bootstrap.every((address) => message.includes(`${address} refuses connections`));
}

function lateText(bootstrap: readonly string[], tried: readonly string[], failure: unknown, untilMs: number): string {
  const why = failure instanceof ConnectionLost ? ` (${failure.message})` : "";
  return `no broker answers at ${bootstrapText(bootstrap, tried)}${why}; trying until ${formatTime(untilMs)}`;
}
