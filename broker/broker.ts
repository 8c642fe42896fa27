import { readOrCreateClusterId } from "../coordinator-client/cluster-id.ts";
import type { Coordinator } from "../coordinator-client/coordinator.ts";
import { formatAddress } from "../protocol/base/transport.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { BrokerParts } from "./broker-parts.ts";
import { claimDataDirectory, metaPropertiesPath } from "./cluster/meta-properties.ts";
import { awaitOthersInSync } from "./cluster/replaced-directory.ts";
import type { LogOffline } from "./log/log-contract.ts";
import { type DirectoryLogStore, openLogStore } from "./log/log-store.ts";
import type { BoundListener } from "./network/client-listener.ts";

/** The data directory cannot be used by this broker now. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

export class CoordinatorNotReached extends Error {
  override readonly name = "CoordinatorNotReached";
}

/** How long a stopping broker lets its clients' requests finish. */
const requestsGraceMs = 500;

/** One broker: starts what it is made of from the bottom up, and stops it from the top down. */
export class Broker {
  readonly #options: BrokerOptions;
  #locked = false;
  #coordinator: Coordinator | null = null;
  #logs: DirectoryLogStore | null = null;
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
   * Resolves when this broker serves clients: registered, and told by the controller what the cluster looks like. Rejects, with a sentence for a person, when it cannot; `stop` then
   * frees what was taken.
   */
  async start(): Promise<void> {
    const { config, files, clock, random, log, openCoordinator } = this.#options;
    const directory = config.logDirectory;
    await this.#lockDirectory(directory);
    this.#coordinator = openCoordinator();
    await this.#reachCoordinator(this.#coordinator);
    const clusterId = await readOrCreateClusterId(this.#coordinator, random);
    if (!(await files.exists(metaPropertiesPath(directory)))) {
      const { brokerId } = config;
      await awaitOthersInSync({ coordinator: this.#coordinator, brokerId, clock, log: log.child({ part: "cluster" }) });
    }
    const { directoryId } = await claimDataDirectory(files, directory, { brokerId: config.brokerId, clusterId }, random);
    const { tailCacheBytesMax, indexCacheBytesMax, openFilesMax } = config.log;
    this.#logs = await openLogStore(
      { files, clock, random, log: log.child({ part: "log" }) },
      { directory, tailCacheBytesMax, indexCacheBytesMax, openFilesMax, checkpointIntervalMs: config.log.flushOffsetCheckpointIntervalMs },
    );
    this.#parts = new BrokerParts(this.#options, {
      coordinator: this.#coordinator,
      logs: this.#logs,
      wasClean: this.#logs.wasClean,
      clusterId,
      incarnation: directoryId ?? "",
    });
    const parts = this.#parts;
    this.#logs.onOffline((error) => void this.#giveUp(error, parts));
    this.#bound = await parts.listen();
    await parts.join();
  }

  /** Hands its leaderships over, finishes what is under way, closes the logs. Safe to call whatever `start` came to; the second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { config, files } = this.#options;
    await this.#parts?.leave(requestsGraceMs);
    // The session before the logs: what could not be handed over, and /controller if it is ours, is taken up by others while we are still flushing.
    await this.#coordinator?.close();
    if (this.#parts !== null) await this.#parts.close();
    else await this.#logs?.close();
    if (this.#locked) await files.unlock(lockPath(config.logDirectory));
  }

  /**
   * The one log directory failed, so there is nothing left to lead or to follow with: as Kafka's brokers do, this one ends. Its session goes first, and with it the registration: its
   * leaderships, for which it has only errors by now, then move at once and not when a session has timed out. No controlled shutdown: a leader that cannot write is not waited for.
   */
  async #giveUp(error: LogOffline, parts: BrokerParts): Promise<void> {
    if (this.#stopping !== null) return;
    this.#options.log.error({ err: error }, "the log directory failed: this broker leaves the cluster");
    await this.#coordinator?.close();
    parts.fail(error);
  }

  async #lockDirectory(directory: string): Promise<void> {
    const { files } = this.#options;
    try {
      await files.makeDirectory(directory);
      this.#locked = await files.lock(lockPath(directory));
    } catch (error) {
      const code = (error as { code?: unknown }).code ?? (error instanceof Error ? error.message : error);
      throw new DataDirectoryInUse(`the data directory ${directory} cannot be written (${code})`, { cause: error });
    }
    if (!this.#locked) throw new DataDirectoryInUse(`the data directory ${directory} is in use by another broker process`);
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

function lockPath(directory: string): string {
  return `${directory}/.lock`;
}
