import { invariant } from "../../protocol/base/invariant.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { controlledShutdown } from "../cluster/controlled-shutdown.ts";
import type { BoundListener } from "../network/client-listener.ts";
import type { BoundAddresses, ClusterMembership } from "./assemble-membership.ts";
import type { Partitions } from "./assemble-partitions.ts";
import type { Serving } from "./assemble-serving.ts";
import type { Storage } from "./assemble-storage.ts";
import { cleanerShare } from "./shares.ts";

type Needed = Pick<BrokerOptions, "settings" | "clock" | "log" | "onFailed">;

export interface Assemblies {
  readonly storage: Storage;
  readonly membership: ClusterMembership;
  readonly partitions: Partitions;
  readonly serving: Serving;
}

/** The promises that the assemblies were given: the end of this broker's work, and that it knows the cluster. */
export interface Signals {
  readonly stopping: AbortController;
  readonly joined: PromiseWithResolvers<void>;
}

/** A controlled shutdown that takes longer than this is abandoned: the other brokers will notice that we are gone. */
const controlledShutdownMaxMs = 30_000;

/**
 * The life cycle of a composed broker: `listen` and `join` start it, `leave` and `close` stop it. Between the last two its session is
 * closed, by `Broker.stop`.
 */
export class LifeCycle {
  readonly #options: Needed;
  readonly #assemblies: Assemblies;
  readonly #signals: Signals;
  #addresses: BoundAddresses = { peer: null, clients: [] };

  constructor(options: Needed, assemblies: Assemblies, signals: Signals) {
    this.#options = options;
    this.#assemblies = assemblies;
    this.#signals = signals;
  }

  get addresses(): BoundAddresses {
    return this.#addresses;
  }

  /** Opens the listeners; clients' requests wait until `join` is done. */
  async listen(): Promise<readonly BoundListener[]> {
    const { peer, client } = this.#options.settings.listeners;
    const { peerServer, clients } = this.#assemblies.serving;
    invariant(this.#addresses.peer === null, "a broker starts once");
    this.#reconfigureOnChange();
    const bound = await peerServer.listen(peer.bind);
    // port 0 is advertised as the one that was bound
    const advertised = { host: peer.advertised.host, port: peer.advertised.port || bound.port };
    this.#addresses = { peer: advertised, clients: await clients.listen(client) };
    return this.#addresses.clients;
  }

  /** Registers; resolves once the controller has sent us the cluster with ourselves in it. Rejects when it cannot be registered. */
  async join(): Promise<void> {
    const { storage, membership, partitions } = this.#assemblies;
    invariant(this.#addresses.peer !== null, "a broker listens before it tells the others where");
    const unsubscribe = storage.images.onChange((image) => {
      const ourselves = image.brokers.get(this.#options.settings.brokerId);
      if (ourselves !== undefined && ourselves.epoch === membership.membership.epoch) this.#signals.joined.resolve();
    });
    partitions.table.start();
    partitions.fetchers.start();
    membership.membership.start();
    membership.controller.start();
    this.#actOnSuspicion();
    membership.watch.start(this.#signals.stopping.signal);
    membership.vote.start(this.#signals.stopping.signal);
    membership.lagging.start(this.#signals.stopping.signal);
    await this.#signals.joined.promise;
    unsubscribe();
  }

  /** Hands leaderships over, then stops serving clients and following. */
  async leave(graceMs: number): Promise<void> {
    const { membership, partitions, serving } = this.#assemblies;
    await this.#handOver();
    membership.membership.stop();
    membership.controller.stop();
    this.#signals.stopping.abort(new Error("the broker is stopping"));
    await serving.clients.close(graceMs);
    await partitions.fetchers.stop();
  }

  /** This broker cannot continue: a running start rejects with the error, and the process is notified. */
  fail(error: Error): void {
    this.#signals.joined.reject(error);
    this.#options.onFailed(error);
  }

  /**
   * After the coordinator's session is closed: writes outstanding notes, closes the partitions and their logs, and then the links, over
   * which the other brokers may have fetched until now.
   */
  async close(): Promise<void> {
    const { storage, membership, partitions, serving } = this.#assemblies;
    await storage.notes.close();
    await partitions.table.close();
    partitions.groups.close();
    serving.transactions.close();
    membership.peers.close();
    await serving.peerServer.close();
  }

  /**
   * Of what may change at run time, the cleaner's settings are passed on; the others are read where they are used (`inForce`), and a
   * topic's settings reach its partitions with the controller's update.
   */
  #reconfigureOnChange(): void {
    const { images, inForce, logs } = this.#assemblies.storage;
    let { brokerConfigs: last } = images.current;
    images.onChange(({ brokerConfigs }) => {
      if (brokerConfigs === last) return;
      last = brokerConfigs;
      logs.reconfigureCleaning(cleanerShare(inForce.now, this.#options.settings.logDirectories.length));
    });
  }

  #actOnSuspicion(): void {
    const { membership, partitions } = this.#assemblies;
    const { watch } = membership;
    const { signal } = this.#signals.stopping;
    watch.onStall(() => partitions.cutOff.look(signal));
    let last = watch.suspects;
    watch.onChange(() => {
      partitions.cutOff.look(signal);
      if (watch.suspects === last) return;
      last = watch.suspects;
      // a turn later: where this broker is the controller, it elects first
      this.#options.clock.schedule(0, () => partitions.table.lookAtFollowers());
    });
  }

  async #handOver(): Promise<void> {
    const { settings, clock, log } = this.#options;
    const { membership, controllerLink } = this.#assemblies.membership;
    const { controlledShutdownEnabled, controlledShutdownRetriesMax, controlledShutdownRetryBackoffMs } = settings.controller;
    if (!controlledShutdownEnabled || membership.epoch < 0) return;
    const parts = { brokerId: settings.brokerId, membership, controller: controllerLink, clock, log };
    const limits = { retriesMax: controlledShutdownRetriesMax, retryBackoffMs: controlledShutdownRetryBackoffMs };
    await controlledShutdown({ ...parts, ...limits }, { timeoutMs: controlledShutdownMaxMs });
  }
}
