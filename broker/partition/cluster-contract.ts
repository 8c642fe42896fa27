import type { BrokerId, IsrEpochs, TopicId, TopicPartition } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";

/** How the broker's part in the cluster changes the partitions here. Calls are made one after the other, each awaited. */
export interface RoleSink {
  /**
   * Replicas of this broker, new or changed: lead, follow, or take note. An older leader epoch than known is ignored. Replicas that cannot
   * be started are reported (`ReplicaHealthReporter`).
   */
  assign(replicas: readonly AssignedReplica[]): Promise<void>;
  /** No longer here. */
  withdraw(replicas: readonly WithdrawnReplica[]): Promise<void>;
  /**
   * Removes what is left of topics whose deletion is on record, set aside earlier. Returns the topics of which an offline log directory of
   * this broker may still hold something.
   */
  forget(topicIds: ReadonlySet<TopicId>): Promise<readonly TopicId[]>;
  /**
   * A broker is gone, shutting down, or can no longer use some of its replicas: leaders remove it from their in-sync sets now, since
   * appends wait for it.
   */
  lookAtFollowers(): void;
  /** The topic's settings changed. */
  updateSettings(topic: string, settings: TopicSettings): void;
  /** The session is lost or cannot be proved: stop leading and following until assigned again. */
  standDown(): void;
}

export interface WithdrawnReplica {
  readonly ref: TopicPartition;
  readonly topicId: TopicId;
  /**
   * The topic's deletion is on record, and the log goes with it. False: no assignment names the replica any more and no deletion is on
   * record, so its log is set aside, unless this broker has seen how the replica was removed.
   */
  readonly isDeleted: boolean;
  /** A reassignment removed the replica, and this broker sees it. The leader epoch that began with it: what the log has is older. */
  readonly removedInEpoch?: number;
}

export interface AssignedReplica {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly state: PartitionRecord;
  readonly settings: TopicSettings;
}

/**
 * Where the partitions here say which replicas cannot be used: the controller moves their leaderships, removes them from the in-sync sets
 * and no longer elects them. The report is sent at once, and again whenever the controller changes or this broker has re-registered, until
 * the replica is `usable` again.
 */
export interface ReplicaHealthReporter {
  report(replica: { readonly topicId: TopicId; readonly partition: number }, health: ReplicaHealth): void;
}

/** `usable` also for a replica that is no longer here: there is nothing to report of it. */
export type ReplicaHealth = { readonly kind: "usable" } | { readonly kind: "offline" /** For the operator. */; readonly reason: string };

/** Where a leader keeps its in-sync set: compare-and-set on the state znode. Implemented over the coordinator in `cluster/`. */
export interface IsrStore {
  /**
   * `written`: the set is in force, `stateVersion` is the new one. `fenced`: someone else changed the state (a newer epoch, or another
   * leader): we no longer lead as we thought; `current` is what was read.
   * `conflict`: same leader and epoch but another version or set (`current`): adopt it, decide again. `unknown`: the outcome is not known
   * (yet); keep the stricter set and ask again. `isAwaited`: whether records wait for it by now; then it goes before what nobody waits for.
   */
  writeIsr(change: IsrChangeRequest, isAwaited?: () => boolean): Promise<IsrWriteResult>;
}

export interface IsrChangeRequest {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  readonly isrEpochs: IsrEpochs;
  /** How many are in the set that this one replaces. */
  readonly formerSize: number;
  readonly expectedVersion: number;
}

export type IsrWriteResult =
  | { readonly kind: "written"; readonly stateVersion: number }
  | { readonly kind: "fenced" }
  | { readonly kind: "conflict"; readonly isr: readonly BrokerId[]; readonly isrEpochs: IsrEpochs; readonly stateVersion: number }
  | { readonly kind: "unknown" };

/** What a partition wants to know of the other brokers and of our own session. */
export interface ClusterView {
  /** The broker's current registration epoch, or null when it is not alive, or is being shut down, as far as the metadata goes. */
  brokerEpoch(id: BrokerId): number | null;
  /** The same, but also for a broker that is being shut down: its fetches still count. */
  registration(id: BrokerId): number | null;
  /**
   * Whether the broker is alive, is not shutting down, and can use its replica of this partition, as far as the metadata goes: otherwise a
   * leader no longer waits for it.
   */
  hasReplica(id: BrokerId, topicId: TopicId, partition: number): boolean;
  /**
   * Whether the broker does not answer us or the controller, or does not reach us, and may be gone: a leader waits no longer for it than
   * for a follower that lives to fetch again.
   */
  isSuspected(id: BrokerId): boolean;
  /** Whether it does not answer this broker. */
  isSilent(id: BrokerId): boolean;
  /**
   * Whether this broker and that one are both being shut down, and that one is still there with its replica. Of this broker itself: whether
   * it is being shut down. A member that stops together with its leader is not worth a smaller in-sync set, as long as it has everything.
   * Otherwise: (1) a cluster stops; (2) a member has stopped a moment before its leader; (3) the leader appends, and acknowledges to a
   * producer with acks=1; (4) it stops, the cluster starts, and that member is in the set, leads, and has less than its leader had.
   */
  stopsAsWeDo(id: BrokerId, replica: { readonly topicId: TopicId; readonly partition: number }): boolean;
  /** Others may lead by now what this broker leads: its session proves nothing until that was looked up in the coordinator. */
  doubtLeaderships(): void;
  peerAddress(id: BrokerId): { readonly host: string; readonly port: number } | null;
  /** Our own registration's epoch; -1 while not registered. */
  readonly ownEpoch: number;
  /** Monotonic ms until which our session is proved; past it a leader acknowledges nothing (I8). */
  readonly sessionProvedUntilMs: number;
}
