import { boolean, type Definition, int, list, long, longMax, oneOf, short, string } from "./definition.ts";
import { brokerSetting, type IdleSetting, withoutEffect } from "./setting.ts";

/** Why a setting has no effect, as the reference page says it. */
const why = {
  quotas: "Quotas of clients and of requests, which there are none of.",
  oneWindow: "One window is looked at: `replication.quota.window.size.seconds`.",
  kraft: "A cluster without ZooKeeper.",
  shareGroups: "Share groups, which are not served.",
  transactions: "Transactions, which are not served.",
  metrics: "Metrics of Java, and classes that take them.",
  threads: "Threads and waiting lists of Kafka's broker; one loop serves everything here.",
  sockets: "The operating system's own values hold.",
  tiers: "Tiered storage, which there is not here.",
  connectionRates: "Connections are bounded by number: `max.connections` and `max.connections.per.ip`.",
  fixed: "There is one way here, whatever this says.",
} as const;

const atRunTime = { update: "per-broker" } as const;

const definitions: Readonly<Record<string, Definition<unknown>>> = {
  "alter.log.dirs.replication.quota.window.num": int(11, why.fixed, { min: 1 }),
  "alter.log.dirs.replication.quota.window.size.seconds": int(1, why.fixed, { min: 1 }),
  "controller.quota.window.num": int(11, why.quotas, { min: 1 }),
  "controller.quota.window.size.seconds": int(1, why.quotas, { min: 1 }),
  "quota.window.num": int(11, why.quotas, { min: 1 }),
  "quota.window.size.seconds": int(1, why.quotas, { min: 1 }),
  "replication.quota.window.num": int(11, why.oneWindow, { min: 1 }),
  "broker.heartbeat.interval.ms": int(2000, why.kraft),
  "broker.session.timeout.ms": int(9000, why.kraft),
  "controller.listener.names": string(null, why.kraft),
  "controller.quorum.append.linger.ms": int(25, why.kraft),
  "controller.quorum.bootstrap.servers": list("", why.kraft, { emptyAllowed: true }),
  "controller.quorum.election.backoff.max.ms": int(1000, why.kraft),
  "controller.quorum.election.timeout.ms": int(1000, why.kraft),
  "controller.quorum.fetch.timeout.ms": int(2000, why.kraft),
  "controller.quorum.request.timeout.ms": int(2000, why.kraft),
  "controller.quorum.retry.backoff.ms": int(20, why.kraft),
  "controller.quorum.voters": list("", why.kraft, { emptyAllowed: true }),
  "early.start.listeners": string(null, why.kraft),
  "eligible.leader.replicas.enable": boolean(false, why.kraft),
  "initial.broker.registration.timeout.ms": int(60000, why.kraft),
  "log.dir.failure.timeout.ms": long(30000, why.kraft, { min: 1 }),
  "metadata.log.dir": string(null, why.kraft),
  "metadata.log.max.record.bytes.between.snapshots": long(20971520, why.kraft, { min: 1 }),
  "metadata.log.max.snapshot.interval.ms": long(3600000, why.kraft, { min: 0 }),
  "metadata.log.segment.bytes": int(1073741824, why.kraft, { min: 12 }),
  "metadata.log.segment.min.bytes": int(8388608, why.kraft, { min: 12 }),
  "metadata.log.segment.ms": long(604800000, why.kraft),
  "metadata.max.idle.interval.ms": int(500, why.kraft, { min: 0 }),
  "metadata.max.retention.bytes": long(104857600, why.kraft),
  "metadata.max.retention.ms": long(604800000, why.kraft),
  "node.id": int(-1, why.kraft),
  "process.roles": list("", why.kraft, { emptyAllowed: true, choices: ["broker", "controller"] }),
  "server.max.startup.time.ms": long(longMax, why.kraft, { min: 0 }),
  "group.share.delivery.count.limit": int(5, why.shareGroups, { min: 2, max: 10 }),
  "group.share.enable": boolean(false, why.shareGroups),
  "group.share.heartbeat.interval.ms": int(5000, why.shareGroups, { min: 1 }),
  "group.share.max.groups": short(10, why.shareGroups, { min: 1, max: 100 }),
  "group.share.max.heartbeat.interval.ms": int(15000, why.shareGroups, { min: 1 }),
  "group.share.max.record.lock.duration.ms": int(60000, why.shareGroups, { min: 30000, max: 3600000 }),
  "group.share.max.session.timeout.ms": int(60000, why.shareGroups, { min: 1 }),
  "group.share.max.size": short(200, why.shareGroups, { min: 10, max: 1000 }),
  "group.share.min.heartbeat.interval.ms": int(5000, why.shareGroups, { min: 1 }),
  "group.share.min.record.lock.duration.ms": int(15000, why.shareGroups, { min: 1000, max: 30000 }),
  "group.share.min.session.timeout.ms": int(45000, why.shareGroups, { min: 1 }),
  "group.share.partition.max.record.locks": int(200, why.shareGroups, { min: 100, max: 10000 }),
  "group.share.record.lock.duration.ms": int(30000, why.shareGroups, { min: 1000, max: 60000 }),
  "group.share.session.timeout.ms": int(45000, why.shareGroups, { min: 1 }),
  "auto.include.jmx.reporter": boolean(true, why.metrics),
  "kafka.metrics.polling.interval.secs": int(10, why.metrics, { min: 1 }),
  "kafka.metrics.reporters": list("", why.metrics, { emptyAllowed: true }),
  "metric.reporters": list("", why.metrics, { emptyAllowed: true, ...atRunTime }),
  "metrics.num.samples": int(2, why.metrics, { min: 1 }),
  "metrics.recording.level": string("INFO", why.metrics),
  "metrics.sample.window.ms": long(30000, why.metrics, { min: 1 }),
  "delete.records.purgatory.purge.interval.requests": int(1, why.threads),
  "fetch.purgatory.purge.interval.requests": int(1000, why.threads),
  "group.coordinator.append.linger.ms": int(10, why.threads, { min: 0 }),
  "group.coordinator.new.enable": boolean(false, why.threads),
  "group.coordinator.threads": int(1, why.threads, { min: 1 }),
  "log.initial.task.delay.ms": long(30000, why.threads, { min: 0 }),
  "num.replica.alter.log.dirs.threads": int(null, why.threads),
  "producer.purgatory.purge.interval.requests": int(1000, why.threads),
  "replica.socket.receive.buffer.bytes": int(65536, why.sockets),
  "socket.connection.setup.timeout.max.ms": long(30000, why.sockets),
  "socket.connection.setup.timeout.ms": long(10000, why.sockets),
  "socket.listen.backlog.size": int(50, why.sockets, { min: 1 }),
  "socket.receive.buffer.bytes": int(102400, why.sockets),
  "socket.send.buffer.bytes": int(102400, why.sockets),
  "log.local.retention.bytes": long(-2, why.tiers, { min: -2, ...atRunTime }),
  "log.local.retention.ms": long(-2, why.tiers, { min: -2, ...atRunTime }),
  "max.connection.creation.rate": int(2147483647, why.connectionRates, { min: 0, ...atRunTime }),
  "max.connections.per.ip.overrides": string("", why.connectionRates, atRunTime),
  "broker.id.generation.enable": boolean(true, why.fixed),
  "control.plane.listener.name": string(null, why.fixed),
  "group.consumer.migration.policy": string("disabled", why.fixed),
  "inter.broker.protocol.version": string("3.9-IV0", why.fixed),
  "max.request.partition.size.limit": int(2000, why.fixed, { min: 1 }),
  "offsets.commit.required.acks": short(-1, why.fixed),
  "offsets.topic.compression.codec": int(0, why.fixed),
  "reserved.broker.max.id": int(1000, why.fixed, { min: 0 }),
  "telemetry.max.bytes": int(1048576, why.fixed, { min: 1 }),
  "security.inter.broker.protocol": oneOf(["PLAINTEXT"], "PLAINTEXT", why.fixed),
  "unclean.leader.election.interval.ms": long(300000, why.fixed, { min: 1 }),
  "unstable.api.versions.enable": boolean(false, why.fixed),
  "unstable.feature.versions.enable": boolean(false, why.fixed),
  "zookeeper.clientCnxnSocket": string(null, why.fixed),
  "zookeeper.max.in.flight.requests": int(10, why.fixed, { min: 1 }),
};

/**
 * What Kafka's brokers have settings for and this one does not need: accepted, kept and shown, so that a `server.properties` and Kafka's
 * tools work unchanged.
 */
export const settingsWithoutEffect: readonly IdleSetting[] = Object.entries(definitions).map(([name, definition]) =>
  withoutEffect(brokerSetting(name, definition)),
);

/** Settings of Kafka's brokers for features that do not exist here. Accepting them silently would promise the feature. */
const notHere: readonly (readonly [name: RegExp, why: string])[] = [
  [/^(ssl|sasl|delegation|zookeeper\.ssl)\.|^password\.encoder\.|^security\.providers$/, "there is no TLS and no SASL yet"],
  [/^connections\.max\.reauth\.ms$|^connection\.failed\.authentication\.delay\.ms$/, "there is no TLS and no SASL yet"],
  [/^authorizer\.|^principal\.builder\.|^zookeeper\.set\.acl$/, "there is no access control yet"],
  [/^remote\./, "there is no tiered storage"],
  [/\.(policy|callback)\.class(\.name)?$/, "classes of Java cannot be loaded"],
  [/^zookeeper\.metadata\.migration\./, "the cluster stays on ZooKeeper"],
];

/** Why a setting that Kafka knows has no effect and is not kept; null: it is not one of those. */
export function whyNotHere(name: string): string | null {
  return notHere.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}
