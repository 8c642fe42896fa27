import type { Coordinator } from "../coordinator-client/coordinator.ts";
import { incarnationOf } from "../coordinator-client/registration.ts";
import { formatAddress } from "../protocol/base/transport.ts";
import { compose } from "./assembly/compose.ts";
import type { Foundation } from "./assembly/foundation.ts";
import type { LifeCycle } from "./assembly/life-cycle.ts";
import type { Monitoring } from "./assembly/monitoring.ts";
import { cleanerShare, scrubShare } from "./assembly/shares.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { CachedPeerSecret } from "./cluster/cached-peer-secret.ts";
import { awaitIdFree } from "./cluster/registered-id.ts";
import { awaitOthersInSync } from "./cluster/replaced-directory.ts";
import { DataDirectories } from "./data-directories.ts";
import { KnownCoordinator } from "./known-coordinator.ts";
import type { LogDirectories } from "./log/directories/log-directories.ts";
import { openLogDirectories } from "./log/directories/open-directories.ts";
import { remedyFor } from "./log/files/log-health.ts";
import type { LogOffline } from "./log/log-contract.ts";
import type { DirectoryFailure } from "./log/store-contract.ts";
import type { BoundListener } from "./network/client-listener.ts";

/** How long a stopping broker lets its clients' requests finish. */
const requestsGraceMs = 500;

/** One broker: prepares the foundation (its directories, a coordinator that knows it, its logs), composes the rest, and stops it all. */
export class Broker {
  readonly #options: BrokerOptions;
  #monitoring: Monitoring | null = null;
  #directories: DataDirectories | null = null;
  #coordinator: Coordinator | null = null;
  #logs: LogDirectories | null = null;
  #life: LifeCycle | null = null;
  #bound: readonly BoundListener[] = [];
  #stopping: Promise<void> | null = null;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** `NAME://host:port` of each client listener, as advertised. */
  get listeners(): string[] {
    return this.#bound.map(({ name, advertised }) => `${name}://${formatAddress(advertised)}`);
  }

  /** Where its metrics are, once it has begun to start; null: nowhere. */
  get metrics(): string | null {
    return this.#monitoring?.url ?? null;
  }

  /** Logs that a stop has yet to close. */
  get unclosedLogs(): number {
    return this.#logs?.unclosedCount ?? 0;
  }

  /**
   * Resolves when this broker serves clients: it is registered, and has the cluster's metadata from the controller. Rejects, with a
   * human-readable message, when it cannot; `stop` then frees what was taken.
   */
  async start(): Promise<void> {
    // first: whoever asks learns that it starts, however long that takes
    this.#monitoring = await openMonitoring(this.#options);
    const foundation = await this.#layFoundation();
    const life = compose(this.#options, foundation, this.#monitoring);
    this.#life = life;
    foundation.logs.onOffline((failure) => this.#directoryFailed(failure, foundation.logs, life));
    this.#bound = await life.listen();
    await life.join();
  }

  /**
   * Hands over its leaderships, finishes requests in flight, closes the logs. Safe to call whether `start` succeeded or not; the second
   * call waits for the first.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #layFoundation(): Promise<Foundation> {
    const { settings, files, clock, random, log, openCoordinator } = this.#options;
    const { brokerId } = settings;
    const directories = new DataDirectories(settings.logDirectories, { files, random, log: log.child({ part: "log" }), brokerId });
    this.#directories = directories;
    await directories.lock();
    const coordinator = openCoordinator();
    this.#coordinator = coordinator;
    const start = new KnownCoordinator(coordinator, this.#options);
    await start.reach();
    const found = await directories.known();
    const known = found ?? { clusterId: await start.newCluster(directories), controllerEpoch: -1 };
    await start.awaitKnown(known);
    if (found === null) {
      const { sessionTimeoutMs } = settings.coordinator;
      await awaitIdFree({ coordinator, brokerId, clock, log: log.child({ part: "cluster" }), sessionTimeoutMs });
    }
    const remaining = await directories.remaining();
    if (remaining !== null) await awaitOthersInSync({ coordinator, brokerId, clock, log: log.child({ part: "cluster" }), remaining });
    const directoryIds = await directories.claim(known.clusterId);
    const secret = await start.peerSecret(known);
    const logs = await this.#openLogs(directories);
    const peerSecret = new CachedPeerSecret(secret, { coordinator, clock, log: log.child({ part: "peers" }) });
    return { coordinator, logs, known, peerSecret, incarnation: incarnationOf(directoryIds) };
  }

  async #openLogs({ usable, offline }: DataDirectories): Promise<LogDirectories> {
    const { settings, files, clock, random, log, slabs } = this.#options;
    const { tailCacheBytesMax, indexCacheBytesMax, openFilesMax, producersMax, recoveriesAtOnce, checkpointIntervalMs } = settings.log;
    const scrub = scrubShare(settings, settings.logDirectories.length);
    this.#logs = await openLogDirectories(
      { files, clock, random, log: log.child({ part: "log" }) },
      {
        directories: usable,
        offline,
        slabs,
        tailCacheBytesMax,
        indexCacheBytesMax,
        openFilesMax: Math.min(openFilesMax, this.#options.descriptors.readFilesMax),
        logsMax: this.#options.descriptors.logsMax,
        producersMax,
        checkedRememberMs: settings.log.checkedRememberMs,
        recoveriesAtOnce,
        checkpointIntervalMs,
        ...(settings.cleaner.enabled ? { cleaner: cleanerShare(settings, settings.logDirectories.length) } : {}),
        ...(scrub === null ? {} : { scrub }),
      },
    );
    return this.#logs;
  }

  async #stop(): Promise<void> {
    await this.#life?.leave(requestsGraceMs);
    // The session before the logs: others take over what could not be handed over, and /controller if it is ours, while we are still
    // flushing.
    await this.#coordinator?.close();
    if (this.#life !== null) await this.#life.close();
    else await this.#logs?.close();
    await this.#directories?.unlock();
    await this.#monitoring?.close();
  }

  /** The partitions close its replicas and report them to the controller; the other directories continue. */
  #directoryFailed({ error, directory }: DirectoryFailure, { onlineCount }: LogDirectories, life: LifeCycle): void {
    const { log, settings } = this.#options;
    const remedy = `${remedyFor(error.cause)}; then restart broker ${settings.brokerId}`;
    if (onlineCount > 0)
      log.error(
        { err: error, directory, online: onlineCount },
        `${error.message}. Broker ${settings.brokerId} goes on without it, and hands over what it led there. To use it again, ${remedy}`,
      );
    else void this.#giveUp(error, remedy, life);
  }

  /**
   * No log directory is left, so there is nothing left to lead or to follow with: this broker stops, as Kafka's do. Its session is closed
   * first, and with it the registration: its leaderships, for which it has only errors by now, then move at once and not when a session has
   * timed out. No controlled shutdown: a leader that cannot write is not waited for.
   */
  async #giveUp(error: LogOffline, remedy: string, life: LifeCycle): Promise<void> {
    if (this.#stopping !== null) return;
    this.#options.log.error({ err: error }, `${error.message}. No log directory is left: this broker leaves the cluster. First ${remedy}`);
    await this.#coordinator?.close();
    life.fail(error);
  }
}

/** Null: it is not wanted, and then what it takes is not even loaded. Rejects when its listener cannot be opened. */
async function openMonitoring(options: BrokerOptions): Promise<Monitoring | null> {
  const { settings, monitoring: host } = options;
  const { listener } = settings.monitoring;
  if (listener === null || host === null) return null;
  const { Monitoring } = await import("./assembly/monitoring.ts");
  return Monitoring.open(options, host, listener);
}
