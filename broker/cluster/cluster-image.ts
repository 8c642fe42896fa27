import { type FinalizedFeatures, nothingFinalized } from "../../protocol/base/features.ts";
import { type BrokerId, noBroker, partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { BrokerRecord, PartitionRecord, StartingLeader } from "../../protocol/peer/messages.ts";
import type { ClusterView } from "../partition/cluster-contract.ts";
import type { Suspects } from "./suspicion.ts";

/** The cluster as this broker knows it: a value, replaced as a whole at each update. */
export interface ClusterImage {
  readonly clusterId: string;
  /** -1 while no controller is known. */
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
  /** Live brokers. */
  readonly brokers: ReadonlyMap<BrokerId, BrokerRecord>;
  /** Live brokers that are being shut down. */
  readonly leavingBrokers: ReadonlySet<BrokerId>;
  /** Live brokers that the controller does not reach. */
  readonly suspectedBrokers: ReadonlySet<BrokerId>;
  /** Leaders of partitions that were just created, which do not serve them yet as far as is known. */
  readonly startingLeaders: readonly StartingLeader[];
  readonly topics: ReadonlyMap<string, TopicImage>;
  readonly topicNames: ReadonlyMap<TopicId, string>;
  /**
   * Topics whose deletion is on record, as far as this broker knows, with their names. A topic that is in neither map is unknown, which
   * proves nothing about it.
   */
  readonly deletedTopics: ReadonlyMap<TopicId, string>;
  /** Dynamic broker settings: by broker id as text; `""` holds the cluster-wide default. */
  readonly brokerConfigs: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** What the cluster as a whole acts by. */
  readonly features: FinalizedFeatures;
  /** Replicas that live brokers cannot use, by topic id and partition as `partitionKey` joins them: why, for the operator. */
  readonly offlineReplicas: ReadonlyMap<BrokerId, ReadonlyMap<string, string>>;
}

export interface TopicImage {
  readonly name: string;
  readonly id: TopicId;
  /** By partition number, dense from 0. */
  readonly partitions: readonly PartitionRecord[];
  readonly config: Readonly<Record<string, string>>;
}

/** Through this, the API handlers read the cluster. */
export interface ImageSource {
  readonly current: ClusterImage;
  /** Called after each replacement. Returns a function that unsubscribes. */
  onChange(listener: (image: ClusterImage) => void): () => void;
}

/** Before the first update. */
export function emptyImage(clusterId: string): ClusterImage {
  return {
    clusterId,
    controllerId: noBroker,
    controllerEpoch: -1,
    brokers: new Map(),
    leavingBrokers: new Set(),
    suspectedBrokers: new Set(),
    startingLeaders: [],
    topics: new Map(),
    topicNames: new Map(),
    deletedTopics: new Map(),
    brokerConfigs: new Map(),
    features: nothingFinalized,
    offlineReplicas: new Map(),
  };
}

/** Holds the image and notifies of each replacement. */
export class ImageStore implements ImageSource {
  readonly #listeners = new Set<(image: ClusterImage) => void>();
  #current: ClusterImage;

  constructor(clusterId: string) {
    this.#current = emptyImage(clusterId);
  }

  get current(): ClusterImage {
    return this.#current;
  }

  onChange(listener: (image: ClusterImage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(image: ClusterImage): void {
    const known = this.#current;
    invariant(image.clusterId === known.clusterId, "an image is of one cluster");
    invariant(image.controllerEpoch >= known.controllerEpoch, "the controller epoch of an image only rises", () => ({
      known: known.controllerEpoch,
      next: image.controllerEpoch,
    }));
    this.#current = image;
    for (const listener of [...this.#listeners]) listener(image);
  }
}

export interface ClusterViewParts {
  readonly brokerId: BrokerId;
  readonly images: ImageSource;
  readonly membership: { readonly epoch: number };
  /** The coordinator session's. */
  readonly session: { readonly provedUntilMs: number };
  readonly watch: WatchedPeers;
}

/** See `PeerWatch`. */
export interface WatchedPeers {
  readonly suspects: Suspects;
  readonly stallInDoubt: number | null;
  isCutOffFromUs(id: BrokerId): boolean;
  doubt(): void;
}

/** The partitions' view of the cluster. */
export function clusterView({ brokerId, images, membership, session, watch }: ClusterViewParts): ClusterView {
  // a broker that is being shut down counts as gone, and so does one whose process is: it may not rejoin an in-sync set
  const stays = (id: BrokerId) =>
    images.current.brokers.has(id) && !images.current.leavingBrokers.has(id) && watch.suspects.get(id) !== "gone";
  const canUse = (id: BrokerId, { topicId, partition }: { readonly topicId: TopicId; readonly partition: number }) =>
    images.current.offlineReplicas.get(id)?.has(partitionKey(topicId, partition)) !== true;
  return {
    brokerEpoch: (id: BrokerId) => (stays(id) ? (images.current.brokers.get(id)?.epoch ?? null) : null),
    // an image that lacks even us was not filled yet, and says nothing about the others
    hasReplica: (id, topicId, partition) => !images.current.brokers.has(brokerId) || (stays(id) && canUse(id, { topicId, partition })),
    isSilent: (id) => watch.suspects.has(id),
    isSuspected: (id) => watch.suspects.has(id) || images.current.suspectedBrokers.has(id) || watch.isCutOffFromUs(id),
    doubtLeaderships: () => watch.doubt(),
    stopsAsWeDo: (id, replica) => {
      const { brokers, leavingBrokers } = images.current;
      return leavingBrokers.has(brokerId) && leavingBrokers.has(id) && brokers.has(id) && canUse(id, replica);
    },
    registration: (id: BrokerId) => images.current.brokers.get(id)?.epoch ?? null,
    peerAddress: (id: BrokerId) => images.current.brokers.get(id)?.peer ?? null,
    get ownEpoch() {
      return membership.epoch;
    },
    get sessionProvedUntilMs() {
      // Without a registration a session proves nothing. Nor does it after a stall: others need not have waited for its end.
      return membership.epoch < 0 || watch.stallInDoubt !== null ? Number.NEGATIVE_INFINITY : session.provedUntilMs;
    },
  };
}

export function sameConfig(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
