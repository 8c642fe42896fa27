import { reachTimeoutDefaultMs } from "../../client/base/client-options.ts";
import {
  ClientClosed,
  ConnectionLost,
  DeliveryTimedOut,
  InvalidArgument,
  KafkaProtocolError,
  RequestTimedOut,
} from "../../client/base/errors.ts";
import { CommandFailed, exitInterrupted, explain, UsageError } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { adviceFor, bootstrapText } from "./bootstrap-origin.ts";
import { reachCluster, Unreached } from "./reach-cluster.ts";

/** SIGINT or SIGTERM arrived before the command was done. */
export class StoppedEarly extends CommandFailed {}

export const reachMaxMs = reachTimeoutDefaultMs;
const sameSignalMs = 500;

/**
 * Waits until a broker answers, for `giveUpAfterMs` at most, and runs what a command does with a cluster. `stop` aborts at the first SIGINT
 * or SIGTERM; at the second the process ends at once, unless `onSecond` was given something to do before, which is then called; a third
 * ends it in any case. What the client throws becomes one line that says what to do.
 */
export async function withCluster<T>(
  bootstrap: readonly string[],
  work: (stop: AbortSignal, onSecond: (end: () => void) => void) => Promise<T>,
  giveUpAfterMs = reachMaxMs,
): Promise<T> {
  const stop = new AbortController();
  let stoppedAtMs = Number.POSITIVE_INFINITY;
  let endAtOnce: () => void = () => process.exit(exitInterrupted);
  const onSignal = () => {
    // a terminal's Ctrl-C comes to us and to a wrapper that hands it on: that is one
    const isNext = performance.now() - stoppedAtMs > sameSignalMs;
    if (stop.signal.aborted && !isNext) return;
    stoppedAtMs = performance.now();
    if (!stop.signal.aborted) return stop.abort();
    const end = endAtOnce;
    endAtOnce = () => process.exit(exitInterrupted);
    end();
  };
  const onSecond = (end: () => void) => {
    endAtOnce = end;
  };
  // the client's timers do not keep the process alive, and between two attempts it has nothing else
  const alive = setInterval(() => {}, 2 ** 30);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  let hasAnswered = false;
  try {
    await reachCluster({ bootstrap, giveUpAfterMs, onLate: complain }, stop.signal);
    hasAnswered = true;
    return await work(stop.signal, onSecond);
  } catch (error) {
    if (stop.signal.aborted && isStop(error))
      throw new StoppedEarly(hasAnswered ? "stopped before it was done" : "stopped before any broker answered; nothing was done");
    throw forPeople(error, bootstrap);
  } finally {
    clearInterval(alive);
    // once stopped, how the process ends is decided: a signal while the last output is written does not change it
    if (!stop.signal.aborted) process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** How waits end on a stop: our own with the signal's AbortError, the client's with ClientClosed. */
function isStop(error: unknown): boolean {
  return error instanceof ClientClosed || (error instanceof Error && error.name === "AbortError");
}

/** The error with a hint where there is one. */
export function forPeople(error: unknown, bootstrap: readonly string[]): unknown {
  if (error instanceof ConnectionLost && error.namedBroker !== null)
    return new CommandFailed(`${explain(error)}; clients have to reach what a broker names: see its advertised.listeners`, {
      cause: error,
    });
  if (error instanceof ConnectionLost || error instanceof RequestTimedOut) {
    const from = bootstrapText(bootstrap, error instanceof Unreached ? error.tried : bootstrap);
    return new CommandFailed(`no answer from ${from} (${explain(error)}); ${adviceFor(bootstrap)}`, { cause: error });
  }
  if (error instanceof InvalidArgument) return new UsageError(explain(error));
  // a record that was given up has the last refusal as its cause
  const refusal = error instanceof DeliveryTimedOut ? error.cause : error;
  const hint = refusal instanceof KafkaProtocolError ? hints[refusal.code] : undefined;
  return hint === undefined ? error : new CommandFailed(`${explain(error)}; ${hint}`, { cause: error });
}

const hints: Partial<Record<KafkaProtocolError["code"], string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: "see `ottla topic list`, or make it with `ottla topic create`",
  TOPIC_ALREADY_EXISTS: "choose another name, or add --if-not-exists",
  INVALID_REPLICATION_FACTOR:
    "see `ottla cluster describe` for how many brokers live, or make it with `ottla topic create --replication-factor`",
  NOT_ENOUGH_REPLICAS: "see `ottla topic describe` for which replicas are missing",
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: "see `ottla topic describe` for which replicas are missing",
  LEADER_NOT_AVAILABLE: "see `ottla topic describe` for which replicas are missing",
  LOG_DIR_NOT_FOUND: "see `ottla cluster log-dirs` for the directories that the broker has",
  REPLICA_NOT_AVAILABLE:
    "see `ottla topic describe` for the brokers that have replicas; the broker remembers the directory for one that comes",
  KAFKA_STORAGE_ERROR: "see `ottla cluster log-dirs`, and the broker's log for what to do",
  BROKER_NOT_AVAILABLE: "see `ottla cluster describe` for the brokers that live",
  GROUP_ID_NOT_FOUND: "see `ottla group list`",
  TRANSACTIONAL_ID_NOT_FOUND: "see `ottla transaction list`",
  NON_EMPTY_GROUP: "stop its members first, see `ottla group describe`",
  INVALID_SESSION_TIMEOUT: "see the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms",
  MESSAGE_TOO_LARGE: "raise the topic's max.message.bytes with `ottla topic alter`",
};
