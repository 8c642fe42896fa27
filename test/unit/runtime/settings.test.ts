import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { canonicalText } from "../../../broker/runtime/config/canonical-text.ts";
import { describeBrokerConfigs, describeDefaultBrokerConfigs, describeTopicConfigs } from "../../../broker/runtime/config/describe.ts";
import { ConfigError, type ConfigInputs, readConfig } from "../../../broker/runtime/config/read-config.ts";
import { referencePage } from "../../../broker/runtime/config/reference-page.ts";
import { type SettingLayers, topicSettings } from "../../../broker/runtime/config/resolve.ts";
import type { NamedSetting, Setting } from "../../../broker/runtime/config/setting.ts";
import { brokerSettingsByName, settingGroups, topicSettingsByName } from "../../../broker/runtime/config/setting-groups.ts";
import { brokerTextFault, isListSetting, topicTextFault } from "../../../broker/runtime/config/validate.ts";
import { nearestName } from "../../../protocol/base/nearest-name.ts";

const must = "broker.id=1\nzookeeper.connect=127.0.0.1:2181/ottla\nlog.dirs=/data\nlisteners=PLAINTEXT://127.0.0.1:9092\n";

function read(inputs: Partial<ConfigInputs> = {}) {
  return readConfig({ fileText: must, environment: {}, overrides: [], hostname: "machine", ...inputs });
}

function problemsOf(inputs: Partial<ConfigInputs>): readonly string[] {
  try {
    read(inputs);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** Each under each of its names. */
const all: readonly NamedSetting[] = [...brokerSettingsByName.values(), ...[...topicSettingsByName.values()].map(({ topic }) => topic)];

const nothing: SettingLayers = { dynamic: {}, dynamicDefault: {}, static: {} };

test("the reference page is what the definitions say (node docs/generate-configuration.ts)", () => {
  expect(readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8")).toBe(referencePage());
});

test("every default is acceptable to its own setting, and every fallback's default is the topic's", () => {
  for (const setting of all)
    if (setting.defaultText !== null && setting.defaultText !== "")
      expect(setting.parse(setting.defaultText), setting.name).toHaveProperty("value");
  const settings = topicSettings({}, nothing);
  for (const { topic } of topicSettingsByName.values()) {
    const [described] = describeTopicConfigs({}, nothing, [topic.name]);
    expect(described?.value, topic.name).toBe(topic.defaultText);
  }
  expect(settings.retentionMs).toBe(7 * 24 * 3_600_000);
});

test("the defaults are Kafka's", () => {
  const facts = {
    "num.partitions": 1,
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "auto.create.topics.enable": true,
    "delete.topic.enable": true,
    "unclean.leader.election.enable": false,
    "message.max.bytes": 1_048_588,
    "socket.request.max.bytes": 104_857_600,
    "connections.max.idle.ms": 600_000,
    "queued.max.requests": 500,
    "replica.lag.time.max.ms": 30_000,
    "replica.fetch.max.bytes": 1_048_576,
    "replica.fetch.wait.max.ms": 500,
    "replica.fetch.response.max.bytes": 10_485_760,
    "log.segment.bytes": 1_073_741_824,
    "log.index.interval.bytes": 4096,
    "log.index.size.max.bytes": 10_485_760,
    "log.retention.hours": 168,
    "log.roll.hours": 168,
    "zookeeper.session.timeout.ms": 18_000,
    "leader.imbalance.check.interval.seconds": 300,
    "leader.imbalance.per.broker.percentage": 10,
    "controlled.shutdown.max.retries": 3,
    "max.incremental.fetch.session.cache.slots": 1000,
    "fetch.max.bytes": 57_671_680,
    "max.connections": 2_147_483_647,
  } as const;
  for (const [name, value] of Object.entries(facts)) expect(describeBrokerConfigs(nothing, [name])[0]?.value, name).toBe(String(value));
});

test("the file, then KAFKA_, then OTTLA_ variables, then --set: the later one wins", () => {
  const of = (environment: ConfigInputs["environment"], overrides: string[] = []) =>
    read({ fileText: `${must}num.partitions=2\n`, environment, overrides }).settings.topics.numPartitions;
  expect(of({})).toBe(2);
  expect(of({ KAFKA_NUM_PARTITIONS: "3" })).toBe(3);
  expect(of({ OTTLA_NUM_PARTITIONS: "4", KAFKA_NUM_PARTITIONS: "3" })).toBe(4);
  expect(of({ OTTLA_NUM_PARTITIONS: "4" }, ["num.partitions=5"])).toBe(5);
});

test("our own settings have short names in the environment", () => {
  expect(read({ environment: { OTTLA_LOG_LEVEL: "debug", OTTLA_LOG_FILE: "/x" } }).settings.logging).toEqual({
    logLevel: "debug",
    logFile: "/x",
  });
});

test("an unknown name is a warning that names the nearest, except in variables that belong to Kafka's images", () => {
  const { warnings } = read({
    fileText: `${must}num.partition=2\nabracadabra=1\n`,
    environment: { KAFKA_HEAP_OPTS: "-Xmx1G", OTTLA_LISTENER: "x", OTTLA_BOOTSTRAP: "h:1", PATH: "/bin" },
    overrides: ["replica.lag.max.ms=3"],
  });
  expect(warnings).toEqual([
    'configuration file: the setting "num.partition" is not known and has no effect; did you mean num.partitions?',
    'configuration file: the setting "abracadabra" is not known and has no effect',
    'OTTLA_LISTENER: the setting "listener" is not known and has no effect; did you mean listeners?',
    '--set: the setting "replica.lag.max.ms" is not known and has no effect; did you mean replica.lag.time.max.ms?',
  ]);
});

test("every bad value is told at once, with its name, its value, what would be valid, and where it came from", () => {
  const problems = problemsOf({
    fileText: `${must}num.partitions=0\nauto.create.topics.enable=yes\n`,
    environment: { OTTLA_MESSAGE_MAX_BYTES: "1e6" },
    overrides: ["log.cleanup.policy=shred", "nonsense", "log.message.timestamp.type=createtime"],
  });
  expect(problems).toEqual([
    'Invalid value "0" for num.partitions: it must be a whole number from 1 to 2147483647. (configuration file)',
    'Invalid value "yes" for auto.create.topics.enable: it must be true or false. (configuration file)',
    'Invalid value "1e6" for message.max.bytes: it must be a whole number from 0 to 2147483647. (OTTLA_MESSAGE_MAX_BYTES)',
    'Invalid value "shred" for log.cleanup.policy: it must be a comma-separated list of compact, delete. (--set)',
    "--set nonsense: must be NAME=VALUE.",
    'Invalid value "createtime" for log.message.timestamp.type: it must be one of CreateTime, LogAppendTime. (--set)',
  ]);
});

test("what must be given is asked for, one clear line", () => {
  const without = (name: string) => problemsOf({ fileText: must.replace(new RegExp(`^${name}=.*\n`, "m"), "") });
  expect(without("broker.id")).toEqual([expect.stringContaining("broker.id must be given")]);
  expect(without("zookeeper.connect")).toEqual([expect.stringContaining("zookeeper.connect must be given")]);
  expect(without("log.dirs")).toEqual([expect.stringContaining("log.dirs must be given")]);
  expect(problemsOf({ overrides: ["log.dirs=/a,/b,/a/"] })).toEqual([expect.stringContaining("log.dirs names /a twice")]);
  expect(read({ overrides: ["log.dirs=/a/, /b"] }).settings.logDirectories).toEqual(["/a", "/b"]);
  expect(read({ fileText: must.replace("log.dirs", "log.dir") }).settings.logDirectories).toEqual(["/data"]);
});

test("what -1 and nothing stand for is resolved", () => {
  const { settings } = read({ overrides: ["queued.max.request.bytes=-1", "broker.rack=", "leader.imbalance.check.interval.seconds=7"] });
  expect(settings.network.clientMemoryMaxBytes).toBeNull();
  expect(settings.rack).toBeNull();
  expect(settings.coordinator).toEqual({ connect: "127.0.0.1:2181/ottla", sessionTimeoutMs: 18_000, connectionTimeoutMs: null });
  expect(settings.controller.leaderImbalanceCheckIntervalMs).toBe(7000);
});

test("a topic takes its own setting, else this broker's, else all brokers', else the broker's at start, else Kafka's", () => {
  const layers: SettingLayers = {
    dynamic: { "log.segment.bytes": "3000" },
    dynamicDefault: { "log.segment.bytes": "2000", "log.index.interval.bytes": "200" },
    static: { "log.segment.bytes": "1000", "log.index.interval.bytes": "100", "min.insync.replicas": "2" },
  };
  expect(topicSettings({ "segment.bytes": "4000" }, layers).segmentBytes).toBe(4000);
  expect(topicSettings({}, layers)).toMatchObject({
    segmentBytes: 3000,
    indexIntervalBytes: 200,
    minInsyncReplicas: 2,
    maxMessageBytes: 1_048_588,
  });
});

test("hours give way to minutes, and minutes to milliseconds, wherever each was set; -1 stays never", () => {
  const retention = (texts: Record<string, string>, dynamicDefault = {}) =>
    topicSettings({}, { dynamic: {}, dynamicDefault, static: texts }).retentionMs;
  expect(retention({ "log.retention.hours": "1" })).toBe(3_600_000);
  expect(retention({ "log.retention.hours": "1", "log.retention.minutes": "2" })).toBe(120_000);
  expect(retention({ "log.retention.hours": "1", "log.retention.minutes": "2", "log.retention.ms": "5" })).toBe(5);
  expect(retention({ "log.retention.hours": "1", "log.retention.minutes": "2" }, { "log.retention.ms": "6" })).toBe(6);
  expect(retention({ "log.retention.hours": "-1" })).toBe(-1);
});

test("records are kept for some time or for ever, and the cleaner has a thread, and 1 MiB for each", () => {
  for (const name of ["log.retention.ms", "log.retention.minutes", "log.retention.hours"]) {
    expect(problemsOf({ overrides: [`${name}=0`] })).toEqual([expect.stringContaining("must be -1 or a whole number from 1 to")]);
    expect(problemsOf({ overrides: [`${name}=-1`] })).toEqual([]);
  }
  expect(brokerTextFault("log.retention.ms", "0")).toContain("must be -1 or a whole number from 1 to 9223372036854775807");
  expect(brokerTextFault("log.retention.ms", "1")).toBeNull();
  expect(topicTextFault("retention.ms", "0"), "a topic's own may be 0").toBeNull();
  expect(brokerTextFault("log.cleaner.threads", "0")).toContain("from 1");
  expect(problemsOf({ overrides: ["log.cleaner.threads=0"] })).toHaveLength(1);
  expect(brokerTextFault("log.cleaner.dedupe.buffer.size", "1048575")).toContain("from 1048576");
  expect(brokerTextFault("log.cleaner.dedupe.buffer.size", "1048576")).toBeNull();
  const memory = (bytes: number, threads: number) =>
    problemsOf({ overrides: [`log.cleaner.dedupe.buffer.size=${bytes}`, `log.cleaner.threads=${threads}`] });
  expect(memory(2_097_151, 2)).toEqual([
    "log.cleaner.dedupe.buffer.size (2097151) must be at least 1 MiB per cleaner thread (log.cleaner.threads: 2)",
  ]);
  expect(memory(2_097_152, 2)).toEqual([]);
});

test("both cleanup policies read the same in either order", () => {
  for (const text of ["compact,delete", "delete, compact"])
    expect(topicSettings({ "cleanup.policy": text }, nothing).cleanupPolicy).toBe("compact,delete");
  expect(topicSettings({ "cleanup.policy": "compact" }, nothing).cleanupPolicy).toBe("compact");
});

test("a stored value that is no longer acceptable is passed over, not fatal", () => {
  const layers = { ...nothing, dynamic: { "message.max.bytes": "many", __proto__: "x" } };
  expect(topicSettings({ "segment.ms": "-7", unknown: "1" }, layers)).toMatchObject({ segmentMs: 604_800_000, maxMessageBytes: 1_048_588 });
});

test("what Kafka calls Long.MAX_VALUE is accepted, shown as it is, and as far off as a number goes", () => {
  expect(topicSettings({ "flush.messages": "9223372036854775807" }, nothing).flushMessages).toBe(Number.MAX_SAFE_INTEGER);
  expect(describeTopicConfigs({}, nothing, ["flush.ms"])[0]?.value).toBe("9223372036854775807");
});

test("a topic's setting is validated with a sentence for the one who asked", () => {
  expect(topicTextFault("retention.ms", "-1")).toBeNull();
  expect(topicTextFault("cleanup.policy", "compact,delete")).toBeNull();
  expect(topicTextFault("min.cleanable.dirty.ratio", "0.1")).toBeNull();
  expect(topicTextFault("retention.ms", "soon")).toBe(
    'Invalid value "soon" for retention.ms: it must be a whole number from -1 to 9223372036854775807.',
  );
  expect(topicTextFault("retention.ms", "9223372036854775808")).toContain("Invalid value");
  expect(topicTextFault("min.insync.replicas", "0")).toContain("from 1");
  expect(topicTextFault("min.cleanable.dirty.ratio", "1.1")).toContain("a number from 0 to 1");
  expect(topicTextFault("retentoin.ms", "1")).toBe('Unknown topic setting "retentoin.ms" (did you mean retention.ms?).');
  expect(topicTextFault("toString", "1")).toContain("Unknown topic setting");
  expect(topicTextFault("retention.ms", "1".repeat(100_000))).toContain("100000 bytes");
});

test("a broker's setting may be changed at run time only where it is read at run time", () => {
  expect(brokerTextFault("message.max.bytes", "5")).toBeNull();
  expect(brokerTextFault("message.max.bytes", "five")).toContain("Invalid value");
  expect(brokerTextFault("max.connections", "5")).toBeNull();
  expect(brokerTextFault("listeners", "X://:1")).toContain("cannot be changed at run time");
  expect(brokerTextFault("no.such", "1")).toContain("Unknown broker setting");
  expect([isListSetting("topic", "cleanup.policy"), isListSetting("topic", "retention.ms"), isListSetting("broker", "listeners")]).toEqual([
    true,
    false,
    true,
  ]);
});

test("a described setting says where its value comes from, and where else it could", () => {
  const layers: SettingLayers = {
    dynamic: { "message.max.bytes": "3" },
    dynamicDefault: { "message.max.bytes": "2", listeners: "X://evil:1" },
    static: { "message.max.bytes": "1", "log.retention.hours": "2", "broker.id": "7" },
  };
  const [topic] = describeTopicConfigs({ "max.message.bytes": "4" }, layers, ["max.message.bytes"]);
  expect(topic).toMatchObject({ value: "4", source: "DYNAMIC_TOPIC_CONFIG", type: "int", isReadOnly: false, isDefault: false });
  expect(topic?.synonyms.map(({ name, value, source }) => `${name}=${value} ${source}`)).toEqual([
    "max.message.bytes=4 DYNAMIC_TOPIC_CONFIG",
    "message.max.bytes=3 DYNAMIC_BROKER_CONFIG",
    "message.max.bytes=2 DYNAMIC_DEFAULT_BROKER_CONFIG",
    "message.max.bytes=1 STATIC_BROKER_CONFIG",
    "message.max.bytes=1048588 DEFAULT_CONFIG",
  ]);
  const [retention] = describeTopicConfigs({}, layers, ["retention.ms"]);
  expect(retention).toMatchObject({ value: "7200000", source: "STATIC_BROKER_CONFIG" });
  expect(retention?.synonyms[0]).toEqual({ name: "log.retention.hours", value: "2", source: "STATIC_BROKER_CONFIG" });
  const broker = new Map(describeBrokerConfigs(layers, null).map((config) => [config.name, config]));
  expect(broker.get("broker.id")).toMatchObject({ value: "7", source: "STATIC_BROKER_CONFIG", isReadOnly: true });
  expect(broker.get("listeners"), "a read-only setting is not read from where it cannot be set").toMatchObject({
    source: "DEFAULT_CONFIG",
  });
  expect(broker.get("broker.rack")).toMatchObject({ value: null, source: "DEFAULT_CONFIG", isDefault: true });
  expect(describeDefaultBrokerConfigs(layers.dynamicDefault, null).map(({ name, value }) => `${name}=${value}`)).toEqual([
    "message.max.bytes=2",
  ]);
  expect(describeTopicConfigs({}, layers, ["no.such", "segment.ms"]).map(({ name }) => name)).toEqual(["segment.ms"]);
});

test("a described setting has the value as its type reads it, not the text as it was set", () => {
  const layers: SettingLayers = {
    dynamic: { "log.retention.ms": " +7 ", "log.cleaner.min.cleanable.ratio": "1" },
    dynamicDefault: { "log.preallocate": "TRUE", "log.cleanup.policy": " compact ,delete" },
    static: { "log.retention.hours": "007", "broker.rack": " r1 ", "log.cleaner.io.max.bytes.per.second": "12345678.5" },
  };
  const topic = (config: Record<string, string>, name: string) => describeTopicConfigs(config, layers, [name])[0];
  const own = { "retention.ms": " 5 ", "cleanup.policy": "compact, delete", preallocate: "False", "flush.ms": "+9223372036854775807" };
  expect(topic(own, "retention.ms")?.value).toBe("5");
  expect(topic(own, "retention.ms")?.synonyms.map(({ name, value }) => `${name}=${value}`)).toEqual([
    "retention.ms=5",
    "log.retention.ms=7",
    "log.retention.hours=7",
    "log.retention.hours=168",
  ]);
  expect(topic(own, "cleanup.policy")?.value).toBe("compact,delete");
  expect(topic({ "cleanup.policy": "delete," }, "cleanup.policy")?.value).toBe("delete,");
  expect(topic(own, "preallocate")?.value).toBe("false");
  expect(topic(own, "flush.ms")?.value).toBe("9223372036854775807");
  expect(topic({ "min.cleanable.dirty.ratio": ".250" }, "min.cleanable.dirty.ratio")?.value).toBe("0.25");
  expect(topic({ "follower.replication.throttled.replicas": " " }, "follower.replication.throttled.replicas")?.value).toBe("");
  const broker = new Map(describeBrokerConfigs(layers, null).map((config) => [config.name, config]));
  expect(broker.get("log.retention.ms")).toMatchObject({ value: "7", synonyms: [{ value: "7" }] });
  expect(broker.get("log.preallocate")?.value).toBe("true");
  expect(broker.get("log.cleanup.policy")?.value).toBe("compact,delete");
  expect(broker.get("log.retention.hours")?.value).toBe("7");
  expect(broker.get("broker.rack")?.value).toBe("r1");
  expect(broker.get("log.cleaner.min.cleanable.ratio")?.value).toBe("1.0");
  expect(broker.get("log.cleaner.io.max.bytes.per.second")?.value).toBe("1.23456785E7");
  expect(describeDefaultBrokerConfigs(layers.dynamicDefault, ["log.preallocate"])[0]?.value).toBe("true");
});

test("every default is shown as it stands in its definition", () => {
  for (const { name, type, defaultText } of all) if (defaultText !== null) expect(canonicalText(type, defaultText), name).toBe(defaultText);
});

test("Kafka's counts of threads are changed at run time and shown, though nothing here goes by them while it runs", () => {
  const counts = {
    "num.replica.fetchers": ["1", "2"],
    "num.recovery.threads.per.data.dir": ["1", "2"],
    "num.network.threads": ["3", "6"],
    "num.io.threads": ["8", "4"],
    "background.threads": ["10", "20"],
  } as const;
  for (const [name, [initial, changed]] of Object.entries(counts)) {
    expect(brokerTextFault(name, changed), name).toBeNull();
    expect(brokerTextFault(name, "0"), name).toContain("from 1");
    const [described] = describeBrokerConfigs({ ...nothing, dynamicDefault: { [name]: changed } }, [name]);
    expect(described).toMatchObject({ value: changed, source: "DYNAMIC_DEFAULT_BROKER_CONFIG", isReadOnly: false });
    expect(described?.synonyms.map(({ value }) => value)).toEqual([changed, initial]);
  }
  expect(read({ overrides: ["num.recovery.threads.per.data.dir=2147483647"] }).settings.log.recoveriesAtOnce).toBe(1024);
});

test("what is declared to have an effect is read somewhere, and what has none says why", () => {
  const sources = readdirSync(new URL("../../../broker", import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !/-settings\.ts$|settings-without-effect/.test(path))
    .map((path) => readFileSync(new URL(`../../../broker/${path}`, import.meta.url), "utf8"))
    .join("\n");
  const read = new Set(sources.match(/\b\w+\b/g));
  const rows = Object.values(settingGroups).flatMap((group): (readonly [string, Setting])[] => Object.entries(group));
  expect(rows.filter(([field, { kind }]) => kind !== "idle" && !read.has(field)).map(([field]) => field)).toEqual([]);
  for (const [field, { kind, broker }] of rows)
    for (const { name, withoutEffect } of broker) if (kind !== "idle") expect(withoutEffect, `${field} ${name}`).toBeNull();
});

test("the nearest name is near, or there is none", () => {
  expect(nearestName("listner", ["listeners", "log.dirs"])).toBe("listeners");
  expect(nearestName("zzz", ["listeners", "log.dirs"])).toBeNull();
});
