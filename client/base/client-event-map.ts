import type { BrokerId, TopicPartition } from "../../protocol/base/ids.ts";

/** Something failed for a reason that may go away, and is tried again. */
export interface RetryEvent {
  /** Whom it concerns: `orders-0`, `topic orders`, `group readers`, `a producer id`, `the cluster`. */
  readonly what: string;
  /** Null: it is about more than one topic, or none. */
  readonly topic: string | null;
  /** Null: it is about the whole topic, or none. */
  readonly partition: number | null;
  /** A sentence for people, `what` included: `orders-0 has 1 of 2 required in-sync replicas: brokers 2, 3 are missing`. */
  readonly reason: string;
  /** The failure behind it. */
  readonly error: Error;
  /** Failures in a row, this one included. */
  readonly failures: number;
  /** Since the first of them, or since the request that is not answered. Milliseconds. */
  readonly waitedMs: number;
  /** The client gives up then. Milliseconds since 1970; null: when it is closed, or whatever needs it gives up. */
  readonly untilMs: number | null;
}

/** What was tried again worked at last, or was given up: the caller then gets its error. */
export interface SettledEvent {
  readonly what: string;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly outcome: "worked" | "gave-up";
  readonly failures: number;
  /** Milliseconds. */
  readonly waitedMs: number;
}

/**
 * What a connection is for: long polls (`fetches`), joining a group and its heartbeats (`groups`), what must not wait behind a late answer
 * (`probes`), and everything else.
 */
export type ConnectionPurpose = "requests" | "fetches" | "probes" | "groups";

/** A connection to a broker is open, and the versions of the protocol are agreed. */
export interface ConnectedEvent {
  /** Null: an address of `bootstrap`, of which no metadata says yet whose it is. */
  readonly broker: BrokerId | null;
  /** `host:port`. */
  readonly address: string;
  readonly purpose: ConnectionPurpose;
  /** Connecting and agreeing on versions. Milliseconds. */
  readonly tookMs: number;
}

/** A connection that was open has ended. */
export interface DisconnectedEvent {
  readonly broker: BrokerId | null;
  /** `host:port`. */
  readonly address: string;
  readonly purpose: ConnectionPurpose;
  /** A sentence. */
  readonly reason: string;
  /** ConnectionLost, RequestTimedOut, or ClientClosed where the client itself was closed. */
  readonly error: Error;
  /** Requests that were not answered. */
  readonly unanswered: number;
  /** Since `connected`. Milliseconds. */
  readonly openMs: number;
}

/** What the client knows of the cluster has changed: which brokers there are, and the topics that it uses. */
export interface MetadataEvent {
  /** New ones, and those that have another address. With the first metadata, all. */
  readonly brokersCame: readonly { readonly id: BrokerId; readonly host: string; readonly port: number }[];
  readonly brokersWent: readonly BrokerId[];
  /** Known from now on. */
  readonly topicsCame: readonly string[];
  /** Not known any more: they were deleted, or the broker that was asked does not know them. */
  readonly topicsWent: readonly string[];
  /** They have more partitions, or another topic has the name by now. */
  readonly topicsChanged: readonly string[];
}

/** The metadata, or a broker that was asked, names another leader of a partition. */
export interface LeaderMovedEvent extends TopicPartition {
  /** Null: it had none. */
  readonly from: BrokerId | null;
  /** Null: it has none now. */
  readonly to: BrokerId | null;
  /** The leader epoch, which rises with each new leader; -1: the broker is too old to report it. */
  readonly epoch: number;
}

/** A rebalance of the group is over as far as this member is concerned, or its membership is. */
export interface RebalanceEvent {
  readonly group: string;
  /** Empty: none was given. */
  readonly memberId: string;
  /** The generation, or in a group of the new protocol the member's epoch; -1: it is not in the group now. */
  readonly generation: number;
  /** Partitions that are this member's now and were not before, or were given up and came back. */
  readonly assigned: readonly TopicPartition[];
  /** Given up in order, with time to commit. */
  readonly revoked: readonly TopicPartition[];
  /** Taken away without notice: another member may have had them already. */
  readonly lost: readonly TopicPartition[];
  /** From the first sign of it until the positions of what is new were found. Milliseconds. */
  readonly tookMs: number;
}

/** One Produce request was answered, or has failed. With acks 0: its bytes were handed over. */
export interface ProduceEvent {
  readonly broker: BrokerId;
  /** Each of them with one batch. */
  readonly partitions: number;
  readonly records: number;
  /** The batches as sent, compressed. */
  readonly bytes: number;
  /** Waiting for the connection included. Milliseconds. */
  readonly tookMs: number;
  /** Null: it was answered. What the answer says of each batch is not told here: see `retry`, and what `send` resolves with. */
  readonly error: Error | null;
}

/** One Fetch request was answered, or has failed. One that was broken off for a partition that has just come is not told of. */
export interface FetchEvent {
  readonly broker: BrokerId;
  /** That were asked for. */
  readonly partitions: number;
  /** Of record batches, as stored; of damaged ones, too. */
  readonly bytes: number;
  /** By the headers of the batches that are new to this consumer, those of control batches included. */
  readonly records: number;
  /** The broker's waiting for records included (up to `fetchWaitMaxMs`). Milliseconds. */
  readonly tookMs: number;
  readonly error: Error | null;
}

/** A commit of positions has ended. */
export interface CommitEvent {
  readonly group: string;
  readonly offsets: readonly (TopicPartition & { readonly offset: number })[];
  readonly outcome: "committed" | "failed";
  readonly error: Error | null;
  /** All attempts. Milliseconds. */
  readonly tookMs: number;
}

/** A broker says that it held the answer back, or will hold the next ones back, because a quota was exceeded. */
export interface ThrottledEvent {
  readonly broker: BrokerId | null;
  /** `host:port`. */
  readonly address: string;
  /** The request's name in the protocol: `Produce`. */
  readonly api: string;
  /** For how long. Milliseconds. */
  readonly throttleMs: number;
}

/** What a client tells of, by name. */
export interface ClientEventMap {
  /** At the first failure, when the reason changes, and at most once a second while it stays the same. */
  readonly retry: RetryEvent;
  /** Once for everything of which `retry` was told. */
  readonly settled: SettledEvent;
  readonly connected: ConnectedEvent;
  /** Once for each `connected`. */
  readonly disconnected: DisconnectedEvent;
  /** With each change. */
  readonly metadata: MetadataEvent;
  /** For each partition in use; also when it loses its leader, and when it gets one. */
  readonly leaderMoved: LeaderMovedEvent;
  /** Of a consumer in a group: once for each rebalance, and when the consumer leaves. */
  readonly rebalance: RebalanceEvent;
  /** Of a producer: once for each request. */
  readonly produce: ProduceEvent;
  /** Of a consumer: once for each request. */
  readonly fetch: FetchEvent;
  /** Of a consumer in a group: once for each commit, the automatic ones included. */
  readonly commit: CommitEvent;
  /** Once for each answer that says so. */
  readonly throttled: ThrottledEvent;
}

export type ClientEventName = keyof ClientEventMap;

const every: Readonly<Record<ClientEventName, true>> = {
  retry: true,
  settled: true,
  connected: true,
  disconnected: true,
  metadata: true,
  leaderMoved: true,
  rebalance: true,
  produce: true,
  fetch: true,
  commit: true,
  throttled: true,
};

/** All of them. */
export const clientEventNames = Object.keys(every) as readonly ClientEventName[];

/** A client of this process. */
export interface ClientIdentity {
  /** Of this process alone: `producer-3`. */
  readonly id: string;
  readonly kind: "producer" | "consumer" | "admin";
  /** As in `ClientOptions`. */
  readonly clientId: string;
}

/** What is published on the diagnostics channel `ottla:client:<event>`. */
export interface ClientDiagnostic<E extends ClientEventName = ClientEventName> {
  readonly client: ClientIdentity;
  readonly event: ClientEventMap[E];
}
