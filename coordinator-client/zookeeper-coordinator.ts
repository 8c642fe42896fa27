import type { Clock } from "../protocol/base/clock.ts";
import type { Logger } from "../protocol/base/logger.ts";
import type { Random } from "../protocol/base/random.ts";
import { SessionCoordinator } from "./session/session-coordinator.ts";
import { shuffled } from "./zookeeper/connect-pace.ts";
import { parseConnectionString } from "./zookeeper/connection-string.ts";
import { ZookeeperWire } from "./zookeeper/zookeeper-wire.ts";

export interface ZookeeperOptions {
  /** `host:port,host:port/chroot`. */
  readonly connectionString: string;
  /** The requested session timeout; the server may grant another. Milliseconds. A dead broker is noticed after this time at the latest. */
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The most requests that may be unanswered at once; further ones are refused. */
  readonly requestsMax?: number;
}

/** Opens a session on real ZooKeeper servers; it connects by itself, see `connected`. Throws when the connection string is malformed. */
export function openZookeeper(options: ZookeeperOptions): SessionCoordinator {
  const { connectionString, sessionTimeoutMs, clock, random, log, requestsMax } = options;
  const { servers, chroot } = parseConnectionString(connectionString);
  return new SessionCoordinator({
    // A new order for each session, so that not all brokers use one server.
    newWire: (handlers) => new ZookeeperWire({ servers: shuffled(servers, random), sessionTimeoutMs, clock, random, log }, handlers),
    chroot,
    clock,
    log,
    ...(requestsMax === undefined ? {} : { requestsMax }),
  });
}
