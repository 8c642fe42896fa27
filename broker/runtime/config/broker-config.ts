import { cleanerMemoryConflict } from "./broker-conflicts.ts";
import type { BrokerValues } from "./broker-settings.ts";
import { ConflictingSettings, type ConsumerGroupConfig, consumerGroupConfig } from "./consumer-group-config.ts";
import { type GroupConfig, groupConfig } from "./group-config.ts";
import { type ListenersConfig, resolveListeners } from "./listener-config.ts";

/** A broker's settings as code uses them. Units end the names; the setting behind each is told by its name. */
export interface BrokerConfig {
  readonly brokerId: number;
  readonly rack: string | null;
  /** Absolute paths; at least one, each once. */
  readonly logDirectories: readonly string[];
  readonly listeners: ListenersConfig;
  readonly coordinator: CoordinatorConfig;
  readonly network: NetworkConfig;
  readonly topics: TopicCreationConfig;
  readonly log: LogConfig;
  readonly replication: ReplicationConfig;
  readonly controller: ControllerConfig;
  readonly fetch: FetchConfig;
  readonly group: GroupConfig;
  readonly consumerGroups: ConsumerGroupConfig;
  readonly process: LoggingConfig;
}

export interface CoordinatorConfig {
  /** `host:port,…` with an optional chroot. */
  readonly connect: string;
  readonly sessionTimeoutMs: number;
  readonly connectionTimeoutMs: number;
}

export interface NetworkConfig {
  readonly frameMaxBytes: number;
  readonly connectionIdleMaxMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Requests of one connection under way. */
  readonly requestsInFlightMax: number;
  /** For requests and answers of all connections together; null: a share of the memory that there is. */
  readonly clientMemoryMaxBytes: number | null;
  readonly requestBytesInFlightPerConnectionMax: number;
  readonly unsentBytesPerConnectionMax: number;
  /** For requests passed on to another broker. */
  readonly requestTimeoutMs: number;
}

export interface TopicCreationConfig {
  readonly numPartitions: number;
  readonly defaultReplicationFactor: number;
  readonly autoCreateEnable: boolean;
  readonly deleteEnable: boolean;
}

/** Of the log directory as a whole; what differs by topic is in TopicSettings. */
export interface LogConfig {
  readonly flushSchedulerIntervalMs: number;
  readonly flushOffsetCheckpointIntervalMs: number;
  readonly flushStartOffsetCheckpointIntervalMs: number;
  readonly retentionCheckIntervalMs: number;
  /** Of logs that were set aside; -1: for ever. */
  readonly strayRetentionMs: number;
  readonly producerIdExpirationCheckIntervalMs: number;
  readonly segmentDeleteDelayMs: number;
  readonly recoveryConcurrency: number;
  readonly tailCacheBytesMax: number;
  readonly indexCacheBytesMax: number;
  readonly openFilesMax: number;
  readonly producersMax: number;
  /** Of each log directory; null: logs are not compacted. */
  readonly cleaner: CompactionConfig | null;
  /** Of each log directory; null: what nobody reads is not looked at. */
  readonly scrub: ScrubbingConfig | null;
}

export interface ScrubbingConfig {
  readonly bytesPerSecondMax: number;
  readonly intervalMs: number;
}

export interface CompactionConfig {
  readonly backoffMs: number;
  readonly mapBytesMax: number;
  readonly mapLoadFactor: number;
  readonly bytesPerSecondMax: number;
}

export interface ReplicationConfig {
  /** A follower not caught up for this long leaves the ISR; above `fetchWaitMaxMs`, or healthy followers flap. */
  readonly lagTimeMaxMs: number;
  readonly fetchMaxBytes: number;
  readonly fetchResponseMaxBytes: number;
  readonly fetchMinBytes: number;
  readonly fetchWaitMaxMs: number;
  readonly fetchBackoffMs: number;
  readonly fetchTimeoutMs: number;
  readonly highWatermarkCheckpointIntervalMs: number;
  readonly fetchersPerLeader: number;
}

export interface ControllerConfig {
  readonly autoLeaderRebalanceEnable: boolean;
  readonly leaderImbalanceCheckIntervalMs: number;
  readonly leaderImbalancePerBrokerPercent: number;
  readonly controlledShutdownEnable: boolean;
  readonly controlledShutdownMaxRetries: number;
  readonly controlledShutdownRetryBackoffMs: number;
  readonly requestTimeoutMs: number;
}

export interface FetchConfig {
  readonly maxBytes: number;
  readonly sessionSlotsMax: number;
}

export interface LoggingConfig {
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** Null: standard error. */
  readonly logFile: string | null;
}

/** Names what must be given and is not; ListenerProblem when the listeners make no sense. */
export class MissingSetting extends Error {
  override readonly name = "MissingSetting";
}

/** Throws MissingSetting, ListenerProblem or ConflictingSettings. */
export function brokerConfig(values: BrokerValues, hostname: string): BrokerConfig {
  const connect = values["zookeeper.connect"];
  if (values["broker.id"] < 0) throw new MissingSetting("broker.id must be given: this broker's number, 0 or more, unique in the cluster");
  if (connect === null || connect === "") throw new MissingSetting("zookeeper.connect must be given: host:port[,host:port...][/chroot]");
  const cleanerMemory = cleanerMemoryConflict(values["log.cleaner.dedupe.buffer.size"], values["log.cleaner.threads"]);
  if (cleanerMemory !== null) throw new ConflictingSettings(cleanerMemory);
  return {
    brokerId: values["broker.id"],
    rack: values["broker.rack"] || null,
    logDirectories: logDirectories(values),
    listeners: resolveListeners({
      listeners: values.listeners,
      advertisedListeners: values["advertised.listeners"],
      securityProtocolMap: values["listener.security.protocol.map"],
      interBrokerListenerName: values["inter.broker.listener.name"]?.toUpperCase() || null,
      hostname,
    }),
    coordinator: {
      connect,
      sessionTimeoutMs: values["zookeeper.session.timeout.ms"],
      connectionTimeoutMs: values["zookeeper.connection.timeout.ms"] ?? values["zookeeper.session.timeout.ms"],
    },
    network: networkConfig(values),
    topics: {
      numPartitions: values["num.partitions"],
      defaultReplicationFactor: values["default.replication.factor"],
      autoCreateEnable: values["auto.create.topics.enable"],
      deleteEnable: values["delete.topic.enable"],
    },
    log: logConfig(values),
    replication: replicationConfig(values),
    controller: controllerConfig(values),
    fetch: { maxBytes: values["fetch.max.bytes"], sessionSlotsMax: values["max.incremental.fetch.session.cache.slots"] },
    consumerGroups: consumerGroupConfig(values),
    group: groupConfig(values),
    process: { logLevel: values["ottla.log.level"], logFile: values["ottla.log.file"] || null },
  };
}

function logDirectories(values: BrokerValues): string[] {
  const named = values["log.dirs"] ?? (values["log.dir"] ? [values["log.dir"]] : []);
  const directories = named.map((directory) => directory.replace(/(?<=.)\/+$/, ""));
  if (directories.length === 0) throw new MissingSetting("log.dirs must be given: the directories that hold this broker's logs");
  const twice = directories.find((directory, index) => directories.indexOf(directory) !== index);
  if (twice !== undefined) throw new ConflictingSettings(`log.dirs names ${twice} twice`);
  return directories;
}

/** The limits that may change while the broker runs are read from here again. */
export function networkConfig(values: BrokerValues): NetworkConfig {
  const clientMemory = values["queued.max.request.bytes"];
  return {
    frameMaxBytes: values["socket.request.max.bytes"],
    connectionIdleMaxMs: values["connections.max.idle.ms"],
    connectionsMax: values["max.connections"],
    connectionsPerAddressMax: values["max.connections.per.ip"],
    requestsInFlightMax: values["queued.max.requests"],
    clientMemoryMaxBytes: clientMemory > 0 ? clientMemory : null,
    requestBytesInFlightPerConnectionMax: values["ottla.queued.max.request.bytes.per.connection"],
    unsentBytesPerConnectionMax: values["ottla.unsent.max.bytes.per.connection"],
    requestTimeoutMs: values["request.timeout.ms"],
  };
}

/** More at once would only hold more open. */
const recoveryConcurrencyMax = 1024;

function logConfig(values: BrokerValues): LogConfig {
  return {
    flushSchedulerIntervalMs: values["log.flush.scheduler.interval.ms"],
    flushOffsetCheckpointIntervalMs: values["log.flush.offset.checkpoint.interval.ms"],
    flushStartOffsetCheckpointIntervalMs: values["log.flush.start.offset.checkpoint.interval.ms"],
    retentionCheckIntervalMs: values["log.retention.check.interval.ms"],
    strayRetentionMs: values["ottla.log.stray.retention.ms"],
    producerIdExpirationCheckIntervalMs: values["producer.id.expiration.check.interval.ms"],
    segmentDeleteDelayMs: values["log.segment.delete.delay.ms"],
    recoveryConcurrency: Math.min(values["num.recovery.threads.per.data.dir"], recoveryConcurrencyMax),
    tailCacheBytesMax: values["ottla.log.tail.cache.max.bytes"],
    indexCacheBytesMax: values["ottla.log.index.cache.max.bytes"],
    openFilesMax: values["ottla.log.open.files.max"],
    producersMax: values["ottla.log.producers.max"],
    cleaner: values["log.cleaner.enable"] ? compactionConfig(values) : null,
    scrub: scrubbingConfig(values),
  };
}

function scrubbingConfig(values: BrokerValues): ScrubbingConfig | null {
  const bytesPerSecond = values["ottla.log.scrub.max.bytes.per.second"];
  if (bytesPerSecond === 0) return null;
  const directories = Math.max(values["log.dirs"]?.length ?? 1, 1);
  return { bytesPerSecondMax: Math.max(bytesPerSecond / directories, 1), intervalMs: values["ottla.log.scrub.interval.ms"] };
}

/** Less would take a round for every few records. */
const compactionMapBytesMin = 64 * 1024;

/** As in Kafka, for each cleaner: more is not used. */
const compactionMapBytesMax = 2 ** 31 - 1;

/** The memory and the bytes per second are for all directories together, each of which has a cleaner. */
export function compactionConfig(values: BrokerValues): CompactionConfig {
  const cleaners = Math.max(values["log.dirs"]?.length ?? 1, 1);
  return {
    backoffMs: values["log.cleaner.backoff.ms"],
    mapBytesMax: Math.min(
      Math.max(Math.floor(values["log.cleaner.dedupe.buffer.size"] / cleaners), compactionMapBytesMin),
      compactionMapBytesMax,
    ),
    mapLoadFactor: Math.min(Math.max(values["log.cleaner.io.buffer.load.factor"], 0.1), 0.95),
    bytesPerSecondMax: Math.max(values["log.cleaner.io.max.bytes.per.second"] / cleaners, 1),
  };
}

function replicationConfig(values: BrokerValues): ReplicationConfig {
  return {
    lagTimeMaxMs: values["replica.lag.time.max.ms"],
    fetchMaxBytes: values["replica.fetch.max.bytes"],
    fetchResponseMaxBytes: values["replica.fetch.response.max.bytes"],
    fetchMinBytes: values["replica.fetch.min.bytes"],
    fetchWaitMaxMs: values["replica.fetch.wait.max.ms"],
    fetchBackoffMs: values["replica.fetch.backoff.ms"],
    fetchTimeoutMs: values["replica.socket.timeout.ms"],
    highWatermarkCheckpointIntervalMs: values["replica.high.watermark.checkpoint.interval.ms"],
    fetchersPerLeader: values["num.replica.fetchers"],
  };
}

function controllerConfig(values: BrokerValues): ControllerConfig {
  return {
    autoLeaderRebalanceEnable: values["auto.leader.rebalance.enable"],
    leaderImbalanceCheckIntervalMs: values["leader.imbalance.check.interval.seconds"] * 1000,
    leaderImbalancePerBrokerPercent: values["leader.imbalance.per.broker.percentage"],
    controlledShutdownEnable: values["controlled.shutdown.enable"],
    controlledShutdownMaxRetries: values["controlled.shutdown.max.retries"],
    controlledShutdownRetryBackoffMs: values["controlled.shutdown.retry.backoff.ms"],
    requestTimeoutMs: values["controller.socket.timeout.ms"],
  };
}
