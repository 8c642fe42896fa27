import type { Coordinator } from "../coordinator-client/coordinator.ts";
import type { KnownCluster } from "../coordinator-client/known-cluster.ts";
import { isPresentTerm } from "../coordinator-client/known-controller.ts";
import type { BrokerRegistration } from "../coordinator-client/znodes/broker-registration.ts";
import type { Address } from "../protocol/base/transport.ts";
import { codecsAside } from "../protocol/records/compression.ts";
import type { Endpoint } from "./api/api.ts";
import { groupEndpoints } from "./api/group-apis.ts";
import { groupFinder } from "./api/group-finder.ts";
import { logDirectoryEndpoints } from "./api/log-directory-apis.ts";
import { servedApis } from "./api/registry.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { clientMemoryBytes, controllerSettings, groupCoordinatorConfig, offsetsTopicConfig, partitionConfig } from "./broker-settings.ts";
import { ClusterNoteKeeper } from "./cluster/cluster-note-keeper.ts";
import { clusterView } from "./cluster/cluster-view.ts";
import { controlledShutdown } from "./cluster/controlled-shutdown.ts";
import { ControllerLink } from "./cluster/controller-link.ts";
import { ImageStore } from "./cluster/image-store.ts";
import { IsrReporter } from "./cluster/isr-reporter.ts";
import { Membership } from "./cluster/membership.ts";
import { ProducerIds } from "./cluster/producer-ids.ts";
import { ReplicaReporter } from "./cluster/replica-reporter.ts";
import { configLayers, settingsResolver } from "./cluster/resolve-settings.ts";
import { SeenController } from "./cluster/seen-controller.ts";
import { UpdateReceiver } from "./cluster/update-receiver.ts";
import { ZookeeperIsrStore } from "./cluster/zookeeper-isr-store.ts";
import { Controller } from "./controller/controller.ts";
import { controllerPeerHandlers } from "./controller/peer-handlers.ts";
import { resourceRules } from "./controller/setting-rules.ts";
import { GroupCoordinator } from "./group/group-coordinator.ts";
import type { Doubt } from "./log/directories/clean-shutdown.ts";
import type { LogDirectories } from "./log/directories/log-directories.ts";
import type { LogDirectoryService } from "./log/directories/log-directory-service.ts";
import type { LogStore } from "./log/log-contract.ts";
import { type BoundListener, ClientListeners } from "./network/client-listener.ts";
import { Dispatcher } from "./network/dispatcher.ts";
import { PeerClient, peerClientDefaults } from "./network/peer-client.ts";
import { peerFrameMaxBytes } from "./network/peer-frame.ts";
import { PeerServer, peerServerDefaults } from "./network/peer-server.ts";
import { PartitionTable } from "./partition/partition-table.ts";
import { statePartitions } from "./partition/state-partitions.ts";
import { peerHandlers } from "./peer-api/peer-handlers.ts";
import { FetcherSet } from "./replication/fetcher-set.ts";
import { replicaFetchHandler } from "./replication/replica-fetch-handler.ts";
import { compactionConfig, type NetworkConfig, networkConfig } from "./runtime/config/broker-config.ts";
import { brokerValues } from "./runtime/config/resolve.ts";
import type { PeerSecret } from "./runtime/peer-port.ts";

export interface Foundation {
  readonly coordinator: Coordinator;
  readonly logs: LogStore & LogDirectoryService & Pick<LogDirectories, "doubt" | "registered" | "noteControllerEpoch">;
  /** As the data directories have it. */
  readonly known: KnownCluster;
  readonly peerSecret: PeerSecret;
  /** The data directories' ids, as the registration has them. */
  readonly incarnation: string;
}

/** A controlled shutdown that takes longer than this is given up: the others notice us gone. */
const controlledShutdownMaxMs = 30_000;

/** What a broker is made of, put together once. The only place that knows everything, and does nothing. */
export class BrokerParts {
  readonly #options: BrokerOptions;
  readonly #foundation: Foundation;
  readonly #stopping = new AbortController();
  readonly #images: ImageStore;
  readonly #notes: ClusterNoteKeeper;
  readonly #membership: Membership;
  readonly #peers: PeerClient;
  readonly #controller: Controller;
  readonly #controllerLink: ControllerLink;
  readonly #table: PartitionTable;
  readonly #fetchers: FetcherSet;
  readonly #groups: GroupCoordinator;
  readonly #reporter: IsrReporter;
  readonly #peerServer: PeerServer;
  readonly #clients: ClientListeners;
  /** Some limits may change while we run. */
  #networkLimits: NetworkConfig;
  #peerAddress: Address | null = null;
  #clientAddresses: readonly BoundListener[] = [];
  readonly #joined = Promise.withResolvers<void>();

  constructor(options: BrokerOptions, foundation: Foundation) {
    const { config, configTexts, clock, random, transport, onFatal } = options;
    const { coordinator, logs, known, peerSecret } = foundation;
    const { clusterId } = known;
    const { brokerId } = config;
    const logger = (part: string) => options.log.child({ part });
    this.#options = options;
    this.#foundation = foundation;
    this.#images = new ImageStore(clusterId);
    this.#notes = new ClusterNoteKeeper({
      images: this.#images,
      files: options.files,
      directories: () => logs.onlineDirectories,
      clock,
      log: logger("cluster"),
    });
    const seen = new SeenController({ ...known, store: (newest) => logs.noteControllerEpoch(newest) });
    this.#membership = this.#makeMembership(seen);
    const frameMaxBytes = peerFrameMaxBytes(config);
    this.#peers = new PeerClient({
      transport,
      clusterId,
      brokerId,
      secret: peerSecret,
      clock,
      random,
      log: logger("peers"),
      limits: { ...peerClientDefaults, frameMaxBytes },
    });

    const cluster = clusterView({ brokerId, images: this.#images, membership: this.#membership, session: coordinator });
    const layers = () => configLayers(brokerId, configTexts, this.#images.current.brokerConfigs);
    const resolveSettings = settingsResolver(brokerId, configTexts);
    this.#networkLimits = config.network;
    let configsInForce = this.#images.current.brokerConfigs;
    this.#images.onChange(({ brokerConfigs }) => {
      if (brokerConfigs === configsInForce) return;
      configsInForce = brokerConfigs;
      const values = brokerValues(layers());
      this.#networkLimits = networkConfig(values);
      logs.reconfigureCleaning(compactionConfig(values));
    });
    this.#controller = new Controller(
      {
        brokerId,
        coordinator,
        peers: this.#peers,
        clock,
        random,
        log: logger("controller"),
        rules: resourceRules(layers),
        resolveSettings,
        seen,
        settings: controllerSettings(config),
      },
      () => this.#membership.epoch >= 0,
    );
    this.#controllerLink = new ControllerLink({ peers: this.#peers, images: this.#images, holder: () => this.#controller.holder });
    this.#reporter = new IsrReporter(
      { brokerId, membership: this.#membership, controller: this.#controllerLink, clock, random, log: logger("cluster") },
      this.#stopping.signal,
    );
    const replicaReporter = new ReplicaReporter(
      {
        brokerId,
        membership: this.#membership,
        images: this.#images,
        controller: this.#controllerLink,
        clock,
        random,
        log: logger("cluster"),
      },
      this.#stopping.signal,
    );
    const isrStore = new ZookeeperIsrStore({ coordinator, images: this.#images, reporter: this.#reporter });
    this.#table = new PartitionTable({
      config: partitionConfig(config, () => brokerValues(layers())),
      clock,
      random,
      logger: logger("partition"),
      logs,
      cluster,
      isrStore,
      health: replicaReporter,
      codecs: codecsAside,
    });
    const { replication } = config;
    this.#fetchers = new FetcherSet(this.#table, {
      brokerId,
      config: replication,
      clock,
      random,
      logger: logger("replication"),
      cluster,
      peers: this.#peers,
    });

    this.#groups = new GroupCoordinator({
      partitions: statePartitions(this.#table),
      onLeadershipChanged: (listener) => this.#table.onLeadershipChanged(listener),
      topics: this.#images,
      clock,
      random,
      log: logger("group"),
      config: groupCoordinatorConfig(config, options.memoryBytes),
    });
    const apis = servedApis(
      {
        partitions: this.#table,
        images: this.#images,
        controller: this.#controller,
        coordinators: (createTopics) =>
          groupFinder({
            images: this.#images,
            createTopics,
            signal: this.#stopping.signal,
            log: logger("group"),
            config: offsetsTopicConfig(config),
          }),
        producerIds: new ProducerIds({ coordinator, brokerId, membership: this.#membership, clock, log: logger("api") }),
        peers: this.#peers,
        clock,
        random,
        log: logger("api"),
        signal: this.#stopping.signal,
        config: {
          brokerId,
          startTexts: configTexts,
          autoCreateTopics: config.topics.autoCreateEnable,
          fetchMaxBytes: config.fetch.maxBytes,
          fetchSessionsMax: config.fetch.sessionSlotsMax,
          forwardTimeoutMs: config.network.requestTimeoutMs,
        },
      },
      [
        ...groupEndpoints(this.#groups, this.#images),
        ...logDirectoryEndpoints(logs, (topic, partition) => this.#table.find({ topic, partition })?.highWatermark ?? null),
      ],
    );
    const updates = new UpdateReceiver({
      brokerId,
      isPresentTerm: (claimed) => isPresentTerm(coordinator, claimed),
      images: this.#images,
      roles: this.#table,
      view: cluster,
      seen,
      localReplicas: () => this.#localReplicas(),
      resolveSettings,
      log: logger("cluster"),
    });
    this.#peerServer = new PeerServer(transport, {
      clusterId,
      brokerId,
      secret: peerSecret,
      handlers: peerHandlers({
        "replica-fetch": replicaFetchHandler({ leaders: this.#table, clock, config: replication }),
        "metadata-update": updates.handle,
        ...controllerPeerHandlers(this.#controller),
        localEndpoints: apis.controllerEndpoints,
        controller: this.#controller,
        log: logger("api"),
      }),
      limits: { ...peerServerDefaults, frameMaxBytes },
      clock,
      random,
      log: logger("peers"),
      onFatal,
    });
    this.#clients = new ClientListeners({
      transport,
      dispatcher: new Dispatcher(apis.endpoints.map((endpoint) => afterJoining(endpoint, this.#joined.promise))),
      limits: () => this.#networkLimits,
      memoryMaxBytes: clientMemoryBytes(config, options.memoryBytes),
      clock,
      log: logger("network"),
      onFatal,
    });
  }

  /** Opens the listeners; clients' requests wait until `join` is done. */
  async listen(): Promise<BoundListener[]> {
    const { peer, client } = this.#options.config.listeners;
    const bound = await this.#peerServer.listen(peer.bind);
    this.#peerAddress = { host: peer.advertised.host, port: peer.advertised.port || bound.port };
    const listeners = await this.#clients.listen(client);
    this.#clientAddresses = listeners;
    return listeners;
  }

  /** Registers; resolves once the controller has told us of the cluster with ourselves in it. Rejects when it cannot be registered. */
  async join(): Promise<void> {
    const unsubscribe = this.#images.onChange((image) => {
      const ourselves = image.brokers.get(this.#options.config.brokerId);
      if (ourselves !== undefined && ourselves.epoch === this.#membership.epoch) this.#joined.resolve();
    });
    this.#table.start();
    this.#fetchers.start();
    this.#membership.start();
    this.#controller.start();
    await this.#joined.promise;
    unsubscribe();
  }

  /** Hands leaderships over, then stops serving clients and following. */
  async leave(graceMs: number): Promise<void> {
    const { config, clock, log } = this.#options;
    const { controlledShutdownEnable, controlledShutdownMaxRetries, controlledShutdownRetryBackoffMs } = config.controller;
    if (controlledShutdownEnable && this.#membership.epoch >= 0) {
      const parts = { brokerId: config.brokerId, membership: this.#membership, controller: this.#controllerLink, clock, log };
      const limits = { retriesMax: controlledShutdownMaxRetries, retryBackoffMs: controlledShutdownRetryBackoffMs };
      await controlledShutdown({ ...parts, ...limits }, { timeoutMs: controlledShutdownMaxMs });
    }
    this.#membership.stop();
    this.#controller.stop();
    this.#stopping.abort(new Error("the broker is stopping"));
    await this.#clients.close(graceMs);
    await this.#fetchers.stop();
  }

  /** This broker cannot go on: a start under way rejects with it, and whoever runs it is told. */
  fail(error: Error): void {
    this.#joined.reject(error);
    this.#options.onFailed(error);
  }

  /**
   * After the coordinator's session is closed: stops leading, closes the logs, and then the links, by which the others may have asked us
   * until now.
   */
  async close(): Promise<void> {
    await this.#notes.close();
    await this.#table.close();
    this.#groups.close();
    this.#peers.close();
    await this.#peerServer.close();
  }

  #makeMembership(known: KnownCluster): Membership {
    const { config, clock, log } = this.#options;
    return new Membership({
      coordinator: this.#foundation.coordinator,
      brokerId: config.brokerId,
      known,
      registration: () => this.#registration(),
      clock,
      log: log.child({ part: "cluster" }),
      events: {
        registered: (brokerEpoch) => {
          this.#foundation.logs.registered(brokerEpoch);
          this.#controller.consider();
        },
        lost: () => {
          this.#controller.registrationLost();
          this.#table.standDown();
          this.#reporter.drop();
        },
        failed: (error) => this.fail(error),
      },
    });
  }

  #registration(): BrokerRegistration & { readonly incarnation: string } {
    const { config, clock } = this.#options;
    return {
      endpoints: this.#clientAddresses.map(({ name, advertised: { host, port } }) => ({
        listener: name,
        securityProtocol: "PLAINTEXT",
        host,
        port,
      })),
      rack: config.rack,
      incarnation: this.#foundation.incarnation,
      peer: this.#peerAddress,
      timestampMs: clock.nowMs(),
      ...recoveredUnder(this.#foundation.logs.doubt),
    };
  }

  /** What lies on the disk or is open, by topic id. */
  #localReplicas() {
    const found = this.#foundation.logs.found.flatMap(({ topic, partition, topicId }) =>
      topicId === null ? [] : [{ ref: { topic, partition }, topicId }],
    );
    const open = [...this.#table.all()].map(({ identity: { topic, partition, topicId } }) => ({ ref: { topic, partition }, topicId }));
    return [...found, ...open];
  }
}

/** As the registration tells it: -1 stands for this very registration. */
function recoveredUnder(doubt: Doubt): { readonly recoveredUnder?: number } {
  switch (doubt.kind) {
    case "none":
      return {};
    case "unregistered":
      return { recoveredUnder: -1 };
    case "since":
      return { recoveredUnder: doubt.brokerEpoch };
  }
}

/** Holds a client's first requests back until this broker knows the cluster: an empty answer would send the client away. */
function afterJoining(endpoint: Endpoint, joined: Promise<void>): Endpoint {
  let hasJoined = false;
  joined.then(
    () => {
      hasJoined = true;
    },
    () => {},
  );
  return {
    ...endpoint,
    serve: (body, context) => (hasJoined ? endpoint.serve(body, context) : joined.then(() => endpoint.serve(body, context))),
  };
}
