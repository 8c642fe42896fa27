import type { BrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import type { Address } from "../../protocol/base/transport.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { clusterView } from "../cluster/cluster-image.ts";
import { ControllerLink } from "../cluster/controller-link.ts";
import { IsrReporter, ReplicaReporter } from "../cluster/controller-reports.ts";
import { LaggingFollowers } from "../cluster/lagging-followers.ts";
import { Membership } from "../cluster/membership.ts";
import { PeerWatch } from "../cluster/peer-watch.ts";
import { type ResolveSettings, settingsResolver } from "../cluster/resolve-settings.ts";
import { ZookeeperIsrStore } from "../cluster/zookeeper-isr-store.ts";
import { Controller } from "../controller/controller.ts";
import type { ControllerSettings } from "../controller/controller-term.ts";
import { ControllerVote } from "../controller/controller-vote.ts";
import { resourceRules } from "../controller/setting-rules.ts";
import type { Doubt } from "../log/files/directory-notes.ts";
import type { BoundListener } from "../network/client-listener.ts";
import { PeerClient, peerClientDefaults } from "../network/peer-client.ts";
import { peerFrameMaxBytes } from "../network/peer-frame.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import { supportedFeatures } from "../runtime/features.ts";
import type { Storage } from "./assemble-storage.ts";
import type { Foundation } from "./foundation.ts";

/** Where this broker listens; known once it is listening. */
export interface BoundAddresses {
  readonly peer: Address | null;
  readonly clients: readonly BoundListener[];
}

/** What membership needs of the assemblies built after it. */
export interface MembershipHooks {
  readonly stopping: AbortSignal;
  /** The registration is lost: stop leading and following. */
  readonly standDown: () => void;
  /** This broker cannot continue. */
  readonly failed: (error: Error) => void;
  readonly addresses: () => BoundAddresses;
}

export type ClusterMembership = ReturnType<typeof assembleMembership>;

/**
 * This broker's membership in the cluster: its registration, the links to the others, its part as controller, and its reports to the
 * controller.
 */
export function assembleMembership(options: BrokerOptions, foundation: Foundation, storage: Storage, hooks: MembershipHooks) {
  const { settings, texts, transport, slabs, clock, random } = options;
  const { coordinator, known, peerSecret } = foundation;
  const { images, seen, logs } = storage;
  const { brokerId } = settings;
  const common = { brokerId, clock, random };
  const logger = (part: string) => options.log.child({ part });
  const membership = new Membership({
    coordinator,
    brokerId,
    known: seen,
    registration: () => registration(options, foundation, hooks.addresses()),
    clock,
    log: logger("cluster"),
    events: {
      registered(brokerEpoch) {
        logs.registered(brokerEpoch);
        controller.consider();
      },
      lost() {
        controller.registrationLost();
        hooks.standDown();
        isrReporter.drop();
      },
      failed: hooks.failed,
    },
  });
  const peers = new PeerClient({
    ...common,
    transport,
    slabs,
    clusterId: known.clusterId,
    secret: peerSecret,
    log: logger("peers"),
    limits: { ...peerClientDefaults, frameMaxBytes: peerFrameMaxBytes(settings) },
  });
  const { suspectTimeoutMs, diskStallTimeoutMs } = settings.controller;
  const watch = new PeerWatch({
    own: { brokerId, disks: foundation.logs, diskStallTimeoutMs },
    peers,
    images,
    clock,
    log: logger("cluster"),
    suspectTimeoutMs,
  });
  const lagging = new LaggingFollowers({ brokerId, images, clock, log: logger("replication") });
  const cluster = clusterView({ brokerId, images, membership, session: coordinator, watch });
  const resolveSettings = settingsResolver(brokerId, texts);
  const { controller, vote } = assembleController(options, foundation, storage, { membership, peers, watch, resolveSettings });
  const controllerLink = new ControllerLink({ peers, images, holder: () => controller.holder });
  const reporting = { ...common, membership, controller: controllerLink, log: logger("cluster") };
  const isrReporter = new IsrReporter(reporting, hooks.stopping);
  const replicaReporter = new ReplicaReporter({ ...reporting, images }, hooks.stopping);
  const isrStore = new ZookeeperIsrStore({ coordinator, images, reporter: isrReporter, clock });
  return { membership, peers, watch, lagging, vote, cluster, resolveSettings, controller, controllerLink, replicaReporter, isrStore };
}

/** This broker's part in being the controller, and in replacing one. */
function assembleController(
  { settings, clock, random, log }: BrokerOptions,
  { coordinator }: Foundation,
  { images, seen, inForce }: Storage,
  others: {
    readonly membership: Membership;
    readonly peers: PeerClient;
    readonly watch: PeerWatch;
    readonly resolveSettings: ResolveSettings;
  },
) {
  const { brokerId } = settings;
  const { membership, peers, watch, resolveSettings } = others;
  const controller = new Controller(
    {
      brokerId,
      coordinator,
      peers,
      clock,
      random,
      log: log.child({ part: "controller" }),
      rules: resourceRules(() => inForce.layers),
      resolveSettings,
      seen,
      watch,
      settings: { ...controllerSettings(settings), supportedFeatures, autoRebalance: () => inForce.now.autoRebalance },
    },
    () => membership.epoch >= 0,
  );
  return { controller, vote: new ControllerVote({ brokerId, peers, images, watch, clock, controller }) };
}

/** Far more than one topic can use well, far less than what one request could make the controller write. */
const partitionsPerTopicMax = 10_000;

function controllerSettings({ topics, controller }: BrokerSettings): Omit<ControllerSettings, "autoRebalance" | "supportedFeatures"> {
  const { numPartitions, defaultReplicationFactor, topicDeletionEnabled } = topics;
  const { autoLeaderRebalanceEnabled, leaderImbalanceCheckIntervalMs, leaderImbalancePerBrokerPercent, requestTimeoutMs } = controller;
  return {
    limits: { numPartitions, defaultReplicationFactor, partitionsPerTopicMax },
    topicDeletionEnabled,
    autoLeaderRebalanceEnabled,
    leaderImbalanceCheckIntervalMs,
    leaderImbalancePerBrokerPercent,
    requestTimeoutMs,
  };
}

function registration(
  { settings, clock }: BrokerOptions,
  { incarnation, logs }: Foundation,
  { peer, clients }: BoundAddresses,
): BrokerRegistration & { readonly incarnation: string } {
  const endpoints = clients.map(({ name, advertised: { host, port } }) => ({
    listener: name,
    securityProtocol: "PLAINTEXT",
    host,
    port,
  }));
  return {
    endpoints,
    rack: settings.rack,
    features: supportedFeatures,
    incarnation,
    peer,
    timestampMs: clock.nowMs(),
    ...recoveredUnder(logs.doubt),
  };
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
