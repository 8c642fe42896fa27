import { boolean, int, intMax, list, long, oneOf, restricted, string } from "./definition.ts";
import { parseHttpAddress } from "./http-address.ts";
import { brokerSetting, withoutEffect } from "./setting.ts";
import { replicationThrottles } from "./throttle-settings.ts";

/** A required setting is missing; the message says which and what it is. */
export class MissingSetting extends Error {
  override readonly name = "MissingSetting";
}

/** The identity of a broker and its log directories: the resulting values are in `BrokerSettings`. */
export const identity = {
  brokerId: brokerSetting(
    "broker.id",
    int(-1, "This broker's number, unique in the cluster. Must be given: ids are not made up.", { min: -1 }),
    (id) => given(id < 0 ? null : id, "broker.id must be given: this broker's number, 0 or more, unique in the cluster"),
  ),
  rack: brokerSetting(
    "broker.rack",
    string(null, "The rack, zone or room this broker stands in: replicas of a partition are spread over as many as there are."),
    (rack) => rack || null,
  ),
  logDirectory: brokerSetting("log.dir", string(null, "The directory that holds the logs, when `log.dirs` is not given.")),
  logDirectories: brokerSetting(
    "log.dirs",
    list(
      null,
      "The directories that hold the logs, best on a disk each. A new log goes where the fewest are; when a directory fails, the others go on.",
    ),
  ),
};

export const coordinator = {
  connect: brokerSetting(
    "zookeeper.connect",
    string(null, "ZooKeeper servers, `host:port,host:port`, with an optional chroot path at the end. Must be given."),
    (connect) => given(connect || null, "zookeeper.connect must be given: host:port[,host:port...][/chroot]"),
  ),
  sessionTimeoutMs: brokerSetting(
    "zookeeper.session.timeout.ms",
    int(
      18000,
      "After this long without a sign of life a broker counts as dead and its leaderships move. A leader that cannot prove its session stops acknowledging within this time.",
      { min: 100, unit: "milliseconds" },
    ),
  ),
  connectionTimeoutMs: brokerSetting(
    "zookeeper.connection.timeout.ms",
    int(
      null,
      "After this long without a connection to ZooKeeper a starting broker gives up; without it, it waits as long as it takes, and says so.",
      { min: 1, unit: "milliseconds" },
    ),
  ),
};

export const listeners = {
  listeners: brokerSetting(
    "listeners",
    list(
      "PLAINTEXT://:9092",
      "Where to listen: `NAME://host:port`, comma-separated, each name once. An empty host or 0.0.0.0 means every address of the machine; port 0 takes a free one; IPv6 addresses stand in brackets.",
    ),
  ),
  advertisedListeners: brokerSetting(
    "advertised.listeners",
    list(
      null,
      "The addresses that others are told to use, by the same names. Needed where a listener's host is 0.0.0.0 or [::], or where clients see this broker under another address.",
    ),
  ),
  securityProtocolMap: brokerSetting(
    "listener.security.protocol.map",
    list(
      "PLAINTEXT:PLAINTEXT",
      "Security protocol by listener name, `NAME:PROTOCOL`. PLAINTEXT is the only protocol there is; names that are not listed have it.",
    ),
  ),
  interBrokerListenerName: brokerSetting(
    "inter.broker.listener.name",
    string(
      null,
      "The listener on which brokers speak to each other, in their own protocol and never with clients. Without it, the listener named PEER; without that one, a free port on the first listener's host.",
    ),
    (name) => name?.toUpperCase() || null,
  ),
};

export const network = {
  frameMaxBytes: brokerSetting(
    "socket.request.max.bytes",
    int(104857600, "The largest request. A connection that announces a larger one is closed.", {
      min: 1024,
      unit: "bytes",
    }),
  ),
  connectionIdleMaxMs: brokerSetting(
    "connections.max.idle.ms",
    long(600000, "A connection without a whole request for this long is closed.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  connectionsMax: brokerSetting(
    "max.connections",
    int(
      intMax,
      "Client connections open at a time; further ones are closed at once, but for a few from the broker's own machine, by which this can be changed again. Other brokers do not count.",
      { min: 1, update: "per-broker" },
    ),
  ),
  connectionsPerAddressMax: brokerSetting(
    "max.connections.per.ip",
    int(
      intMax,
      "Client connections open at a time from one address; further ones are closed at once, but for a few from the broker's own machine.",
      { min: 1, update: "per-broker" },
    ),
  ),
  requestsInFlightMax: brokerSetting(
    "queued.max.requests",
    int(500, "Requests of one connection that may be under way; reading from it pauses there.", { min: 1 }),
  ),
  clientMemoryMaxBytes: brokerSetting(
    "queued.max.request.bytes",
    long(
      -1,
      "Memory for all clients together: requests that arrive, wait or are under way, and answers until they have left. When it is spent, only small requests are read, and connections that hold much of it without sending or reading are closed. -1 or 0: a sixteenth of the machine's (or container's) memory, 64 MiB at least, 512 MiB at most (Kafka has no bound by default). Never less than 1.25 times `socket.request.max.bytes`.",
      { min: -1, unit: "bytes" },
    ),
    (bytes) => (bytes > 0 ? bytes : null),
  ),
  requestBytesInFlightPerConnectionMax: brokerSetting(
    "ottla.queued.max.request.bytes.per.connection",
    long(16777216, "Bytes of requests under way on one connection; reading from it pauses there.", { min: 1024, unit: "bytes" }),
  ),
  unsentBytesPerConnectionMax: brokerSetting(
    "ottla.unsent.max.bytes.per.connection",
    long(1048576, "Answer bytes that a slow client may leave unread; no further request of its connection is started above it.", {
      min: 1024,
      unit: "bytes",
    }),
  ),
  requestTimeoutMs: brokerSetting(
    "request.timeout.ms",
    int(30000, "How long a broker waits for another's answer to a request it passed on.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
};

export const topicCreation = {
  numPartitions: brokerSetting("num.partitions", int(1, "Partitions of a topic whose creator did not say how many.", { min: 1 })),
  defaultReplicationFactor: brokerSetting(
    "default.replication.factor",
    int(1, "Copies of a topic whose creator did not say how many.", { min: 1, max: 32767 }),
  ),
  autoCreateEnabled: brokerSetting(
    "auto.create.topics.enable",
    boolean(true, "Whether a topic is made when a client asks for it by name and allows it."),
  ),
  topicDeletionEnabled: brokerSetting("delete.topic.enable", boolean(true, "Whether topics may be deleted.")),
};

export const replication = {
  replicaLagTimeMaxMs: brokerSetting(
    "replica.lag.time.max.ms",
    long(30000, "A follower not caught up for this long leaves the in-sync set.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  fetchMaxBytes: brokerSetting(
    "replica.fetch.max.bytes",
    int(1048576, "Bytes per partition that a follower asks for; a larger batch still comes through, alone.", {
      min: 0,
      unit: "bytes",
    }),
  ),
  fetchResponseMaxBytes: brokerSetting(
    "replica.fetch.response.max.bytes",
    int(10485760, "Bytes over all partitions that a follower asks for at a time.", {
      min: 0,
      unit: "bytes",
    }),
  ),
  fetchMinBytes: brokerSetting(
    "replica.fetch.min.bytes",
    int(1, "A leader with fewer bytes than this to give waits for more, up to `replica.fetch.wait.max.ms`.", {
      min: 0,
      unit: "bytes",
    }),
  ),
  fetchWaitMaxMs: brokerSetting(
    "replica.fetch.wait.max.ms",
    int(500, "How long a leader may hold a follower's fetch. Keep it below `replica.lag.time.max.ms`.", {
      min: 0,
      unit: "milliseconds",
    }),
  ),
  fetchBackoffMs: brokerSetting(
    "replica.fetch.backoff.ms",
    int(1000, "Pause of a follower after a failed fetch.", { min: 0, unit: "milliseconds" }),
  ),
  fetchTimeoutMs: brokerSetting(
    "replica.socket.timeout.ms",
    int(30000, "How long a follower waits for its leader's answer. Above `replica.fetch.wait.max.ms`.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  highWatermarkCheckpointMs: brokerSetting(
    "replica.high.watermark.checkpoint.interval.ms",
    long(5000, "How often high watermarks are written to disk.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  reassignedAtOnceMax: brokerSetting(
    "ottla.reassignment.partitions.at.once",
    int(
      16,
      "How many of the partitions that reassignments bring to a broker it copies at a time. The others wait, in the order in which they came.",
      { min: 1 },
    ),
  ),
  ...replicationThrottles,
  fetchersPerLeader: withoutEffect(
    brokerSetting(
      "num.replica.fetchers",
      int(
        1,
        "Fetching loops per leader that a broker follows: there is one, whatever this says. Changed at run time, it can be halved or doubled at most.",
        { min: 1, update: "per-broker", isStepped: true },
      ),
    ),
  ),
};

/** Kafka's thread pools, of which there are none here. */
const threadCount = (name: string, count: number, work: string) =>
  withoutEffect(
    brokerSetting(
      name,
      int(count, `Kafka's threads for ${work}: here one event loop does it. Changed at run time, it can be halved or doubled at most.`, {
        min: 1,
        update: "per-broker",
        isStepped: true,
      }),
    ),
  );

export const threads = {
  numNetworkThreads: threadCount("num.network.threads", 3, "reading requests and sending answers"),
  numIoThreads: threadCount("num.io.threads", 8, "handling requests"),
  backgroundThreads: threadCount("background.threads", 10, "what is done in the background"),
};

export const controller = {
  autoLeaderRebalanceEnabled: brokerSetting(
    "auto.leader.rebalance.enable",
    boolean(true, "Whether the controller gives leaderships back to preferred replicas by itself."),
  ),
  suspectTimeoutMs: brokerSetting(
    "broker.suspect.timeout.ms",
    int(
      1000,
      "A broker that has been silent for this long is suspected: what it leads moves to others, and a silent controller is replaced, without waiting for its ZooKeeper session to end. One whose port refuses connections is suspected at once.",
      { min: 100, unit: "milliseconds" },
    ),
  ),
  diskStallTimeoutMs: brokerSetting(
    "log.dir.stall.timeout.ms",
    int(
      3000,
      "When a disk has taken nothing of what appends wait for in this long, the broker says so to the others, and is suspected: what it leads moves to others, and acks=all does not wait for it any more.",
      { min: 1000, unit: "milliseconds" },
    ),
  ),
  leaderImbalanceCheckIntervalMs: brokerSetting(
    "leader.imbalance.check.interval.seconds",
    long(300, "How often the controller looks for leaderships to give back.", {
      min: 1,
      unit: "seconds",
    }),
    (seconds) => seconds * 1000,
  ),
  leaderImbalancePerBrokerPercent: brokerSetting(
    "leader.imbalance.per.broker.percentage",
    int(10, "Share of a broker's preferred leaderships that may be elsewhere before they are given back.", {
      min: 0,
      max: 100,
      unit: "percent",
    }),
  ),
  controlledShutdownEnabled: brokerSetting(
    "controlled.shutdown.enable",
    boolean(true, "Whether a stopping broker hands its leaderships over first."),
  ),
  controlledShutdownRetriesMax: brokerSetting(
    "controlled.shutdown.max.retries",
    int(3, "Attempts to hand leaderships over after the first.", { min: 0 }),
  ),
  controlledShutdownRetryBackoffMs: brokerSetting(
    "controlled.shutdown.retry.backoff.ms",
    long(5000, "Pause between those attempts.", { min: 0, unit: "milliseconds" }),
  ),
  requestTimeoutMs: brokerSetting(
    "controller.socket.timeout.ms",
    int(30000, "How long the controller waits for a broker's answer.", { min: 1, unit: "milliseconds" }),
  ),
};

const rackAwareSelector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
const leaderSelector = "org.apache.kafka.common.replica.LeaderSelector";

export const fetching = {
  sendsToRack: brokerSetting(
    "replica.selector.class",
    restricted(
      string(
        null,
        "Where consumers read. `" +
          rackAwareSelector +
          "`: one that says its rack (`client.rack`) is sent to an in-sync follower with that `broker.rack`, unless the leader is of that rack itself (KIP-392). Without it, or with `" +
          leaderSelector +
          "`: always from the leader.",
      ),
      `${rackAwareSelector} or ${leaderSelector}`,
      (name) => name === null || ["", rackAwareSelector, leaderSelector].includes(name),
    ),
    (name) => name === rackAwareSelector,
  ),
  maxBytes: brokerSetting(
    "fetch.max.bytes",
    int(57671680, "The most that one consumer fetch returns, whatever it asks for.", { min: 1024, unit: "bytes" }),
  ),
  sessionsMax: brokerSetting(
    "max.incremental.fetch.session.cache.slots",
    int(1000, "Fetch sessions kept, of a million partitions in all. Other clients send whole fetches.", { min: 0 }),
  ),
};

export const logging = {
  logLevel: brokerSetting(
    "ottla.log.level",
    oneOf(["debug", "info", "warn", "error"], "info", "The least serious lines that the broker's own log has."),
  ),
  logFile: brokerSetting(
    "ottla.log.file",
    string(null, "The file that the broker's own log is appended to; without it, standard error."),
    (file) => file || null,
  ),
};

export const monitoring = {
  listener: brokerSetting(
    "metrics.listener",
    restricted(
      string(
        null,
        "Where to serve `/metrics` to Prometheus, `/healthz` and `/readyz`: `http://host:port`. An empty host or 0.0.0.0 means every address of the machine, port 0 takes a free one, which the broker's log tells. Without it nothing is served. Whoever reaches it may read it: there is no TLS and no password, so keep it on a network of your own.",
      ),
      "http://HOST:PORT (an IPv6 address in brackets; HOST may be left out)",
      (text) => !text || parseHttpAddress(text) !== null,
    ),
    (text) => (text ? parseHttpAddress(text) : null),
  ),
  partitionsEnabled: brokerSetting(
    "ottla.metrics.partitions.enable",
    boolean(
      false,
      "Whether `/metrics` tells the size, the offsets and the groups' lag of each partition, too, and not only of each topic.",
      {
        update: "per-broker",
      },
    ),
  ),
};

function given<T>(value: T | null, otherwise: string): T {
  if (value === null) throw new MissingSetting(otherwise);
  return value;
}
