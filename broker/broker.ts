import { readClusterId, readOrCreateClusterId } from "../coordinator-client/cluster-id.ts";
import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "../coordinator-client/coordinator.ts";
import { judgeCoordinator, type KnownCluster } from "../coordinator-client/known-cluster.ts";

import { readOrCreatePeerSecret } from "../coordinator-client/peer-secret.ts";

import { incarnationOf } from "../coordinator-client/registration.ts";
import { sleep } from "../protocol/base/clock.ts";
import { formatAddress } from "../protocol/base/transport.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { BrokerParts } from "./broker-parts.ts";

import { otherCluster, WrongDataDirectory } from "./cluster/meta-properties.ts";

import { CachedPeerSecret } from "./cluster/peer-secret.ts";

import { awaitOthersInSync } from "./cluster/replaced-directory.ts";
import { StrangeCoordinator } from "./cluster/strange-coordinator.ts";
import { DataDirectories } from "./data-directories.ts";
import type { LogDirectories } from "./log/directories/log-directories.ts";
import { openLogDirectories } from "./log/directories/open-directories.ts";
import { remedyFor } from "./log/files/log-health.ts";
import type { LogOffline } from "./log/log-contract.ts";
import type { DirectoryFailure } from "./log/store-contract.ts";
import type { BoundListener } from "./network/client-listener.ts";

export class CoordinatorNotReached extends Error {
  override readonly name = "CoordinatorNotReached";
}

/** How long a stopping broker lets its clients' requests finish. */
const requestsGraceMs = 500;
/** While a start waits for the link to the coordinator to be back. */
const reconnectPauseMs = 200;

/** One broker: starts what it is made of from the bottom up, and stops it from the top down. */
export class Broker {
  readonly #options: BrokerOptions;
  #directories: DataDirectories | null = null;
  #coordinator: Coordinator | null = null;
  #logs: LogDirectories | null = null;
  #parts: BrokerParts | null = null;
  #bound: readonly BoundListener[] = [];
  #stopping: Promise<void> | null = null;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** `NAME://host:port` of each client listener, as advertised. */
  get listeners(): string[] {
    return this.#bound.map(({ name, advertised }) => `${name}://${formatAddress(advertised)}`);
  }

  /**
   * Resolves when this broker serves clients: registered, and told by the controller what the cluster looks like. Rejects, with a sentence
   * for a person, when it cannot; `stop` then frees what was taken.
   */
  async start(): Promise<void> {
    const { config, files, clock, random, log, openCoordinator } = this.#options;
    const directories = new DataDirectories(config.logDirectories, {
      files,
      random,
      log: log.child({ part: "log" }),
      brokerId: config.brokerId,
    });
    this.#directories = directories;
    await directories.lock();
    this.#coordinator = openCoordinator();
    await this.#reachCoordinator(this.#coordinator);
    const known = (await directories.known()) ?? { clusterId: await this.#newCluster(this.#coordinator, directories), controllerEpoch: -1 };
    const { clusterId } = known;
    await this.#awaitKnown(this.#coordinator, known);
    const remaining = await directories.remaining();
    if (remaining !== null) {
      const { brokerId } = config;
      await awaitOthersInSync({ coordinator: this.#coordinator, brokerId, clock, log: log.child({ part: "cluster" }), remaining });
    }
    const directoryIds = await directories.claim(clusterId);
    const peerSecret = await this.#peerSecret(this.#coordinator, known);
    const { tailCacheBytesMax, indexCacheBytesMax, openFilesMax, producersMax } = config.log;
    this.#logs = await openLogDirectories(
      { files, clock, random, log: log.child({ part: "log" }) },
      {
        directories: directories.usable,
        offline: directories.offline,
        tailCacheBytesMax,
        indexCacheBytesMax,
        openFilesMax,
        producersMax,
        recoveriesAtOnce: config.log.recoveryConcurrency,
        checkpointIntervalMs: config.log.flushOffsetCheckpointIntervalMs,
        ...(config.log.cleaner === null ? {} : { cleaner: config.log.cleaner }),
        ...(config.log.scrub === null ? {} : { scrub: config.log.scrub }),
      },
    );
    this.#parts = new BrokerParts(this.#options, {
      coordinator: this.#coordinator,
      logs: this.#logs,
      known,
      peerSecret: new CachedPeerSecret(peerSecret, { coordinator: this.#coordinator, clock, log: log.child({ part: "peers" }) }),
      incarnation: incarnationOf(directoryIds),
    });
    const [logs, parts] = [this.#logs, this.#parts];
    logs.onOffline((failure) => this.#directoryFailed(failure, logs, parts));
    this.#bound = await parts.listen();
    await parts.join();
  }

  /**
   * Hands its leaderships over, finishes what is under way, closes the logs. Safe to call whatever `start` came to; the second call waits
   * for the first.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.#parts?.leave(requestsGraceMs);
    // The session before the logs: what could not be handed over, and /controller if it is ours, is taken up by others while we are still
    // flushing.
    await this.#coordinator?.close();
    if (this.#parts !== null) await this.#parts.close();
    else await this.#logs?.close();
    await this.#directories?.unlock();
  }

  /** Its replicas are given up and reported by the partitions; the others go on. */
  #directoryFailed({ error, directory }: DirectoryFailure, { onlineCount }: LogDirectories, parts: BrokerParts): void {
    const { log, config } = this.#options;
    const remedy = `${remedyFor(error.cause)}; then restart broker ${config.brokerId}`;
    if (onlineCount > 0)
      log.error(
        { err: error, directory, online: onlineCount },
        `${error.message}. Broker ${config.brokerId} goes on without it, and hands over what it led there. To use it again, ${remedy}`,
      );
    else void this.#giveUp(error, remedy, parts);
  }

  /**
   * No log directory is left, so there is nothing left to lead or to follow with: as Kafka's brokers do, this one ends. Its session goes
   * first, and with it the registration: its leaderships, for which it has only errors by now, then move at once and not when a session has
   * timed out. No controlled shutdown: a leader that cannot write is not waited for.
   */
  async #giveUp(error: LogOffline, remedy: string, parts: BrokerParts): Promise<void> {
    if (this.#stopping !== null) return;
    this.#options.log.error({ err: error }, `${error.message}. No log directory is left: this broker leaves the cluster. First ${remedy}`);
    await this.#coordinator?.close();
    parts.fail(error);
  }

  /** The id of the cluster that a broker joins which belongs to none. Made up only when no directory can say otherwise. */
  async #newCluster(coordinator: Coordinator, { offline: [unreadable] }: DataDirectories): Promise<string> {
    const { random } = this.#options;
    if (unreadable === undefined) return this.#untilTold(coordinator, () => readOrCreateClusterId(coordinator, random));
    const found = await this.#untilTold(coordinator, () => readClusterId(coordinator));
    if (found !== null) return found;
    throw new WrongDataDirectory(
      `ZooKeeper knows no cluster, and ${unreadable.directory}, which cannot be used, may belong to one: take it out of log.dirs to begin a new cluster, or see \`ottla cluster recover\`.`,
    );
  }

  /**
   * Waits for the coordinator to be the one that our directories know; what is written under the guard is written to that one only. Rejects
   * WrongDataDirectory when it is of another cluster: waiting does not help.
   */
  async #awaitKnown(coordinator: Coordinator, known: KnownCluster): Promise<readonly WriteOperation[]> {
    const { clock, log, config, onWaiting } = this.#options;
    const told = onWaiting === undefined ? {} : { said: onWaiting };
    const strange = new StrangeCoordinator({ known, clock, log: log.child({ part: "cluster" }), ...told });
    for (;;) {
      const verdict = await this.#untilTold(coordinator, () => judgeCoordinator(coordinator, known));
      if (verdict.kind === "ours") {
        strange.isKnown();
        return verdict.guard;
      }
      if (verdict.kind === "other")
        throw new WrongDataDirectory(otherCluster(config.logDirectories[0]!, known.clusterId, verdict.clusterId));
      await strange.wait(verdict);
    }
  }

  /** A coordinator that was replaced meanwhile gets none: it is waited for again. */
  #peerSecret(coordinator: Coordinator, known: KnownCluster): Promise<string> {
    const { random } = this.#options;
    return this.#untilTold(coordinator, async () => {
      const guard = await this.#awaitKnown(coordinator, known);
      return readOrCreatePeerSecret(coordinator, random, guard);
    });
  }

  /** Asks again while the coordinator does not answer. */
  async #untilTold<T>(coordinator: Coordinator, ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof CoordinatorUnavailable) || coordinator.state === "closed") throw error;
        await sleep(clock, reconnectPauseMs);
      }
    }
  }

  async #reachCoordinator(coordinator: Coordinator): Promise<void> {
    const { clock, config } = this.#options;
    const { connect, connectionTimeoutMs } = config.coordinator;
    const deadline = new AbortController();
    const timer = clock.schedule(connectionTimeoutMs, () =>
      deadline.abort(
        new CoordinatorNotReached(
          `no ZooKeeper answers at ${connect} within ${connectionTimeoutMs} ms; check zookeeper.connect and that it runs`,
        ),
      ),
    );
    await coordinator.connected(deadline.signal);
    timer.cancel();
  }
}
