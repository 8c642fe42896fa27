import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readConfig } from "../../../broker/runtime/config/read-config.ts";
import type { NamedSetting } from "../../../broker/runtime/config/setting.ts";
import { brokerSettingsByName, topicSettingsByName } from "../../../broker/runtime/config/setting-groups.ts";
import { whyNotHere } from "../../../broker/runtime/config/settings-without-effect.ts";
import { brokerTextFault } from "../../../broker/runtime/config/validate.ts";

interface KafkaSetting {
  readonly kind: string;
  readonly name: string;
  readonly type: string;
  readonly default: string;
  readonly min: string;
  readonly max: string;
  readonly choices: readonly string[];
  readonly isDynamic: boolean;
}

const table: readonly KafkaSetting[] = readFileSync(new URL("fixtures/kafka-settings.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [kind = "", name = "", type = "", defaultText = "", min = "", max = "", choices = "", dynamic = ""] = line
      .split("|")
      .map((cell) => cell.trim());
    return {
      kind,
      name,
      type,
      default: defaultText,
      min,
      max,
      choices: choices === "" ? [] : choices.split(","),
      isDynamic: dynamic !== "",
    };
  });
const ofTopics = table.filter(({ kind }) => kind === "topic");
const ofBrokers = new Map(table.filter(({ kind }) => kind === "broker").map((setting) => [setting.name, setting]));

/** What is not as in Kafka, and why. */
const otherDefaults: Readonly<Record<string, string>> = {
  "log.dir": "there is no directory of everybody's to fall back on: it must be given",
  "group.coordinator.rebalance.protocols": "the new protocol is ready here, an early one in Kafka 3.9",
  "group.consumer.assignors": "names, not classes of Java",
  "listener.security.protocol.map": "PLAINTEXT is the only protocol there is",
};
const otherTypes: Readonly<Record<string, string>> = {
  listeners: "a list of them, written the same",
  "advertised.listeners": "a list of them, written the same",
  "listener.security.protocol.map": "a list of them, written the same",
  "log.dirs": "a list of them, written the same",
};
const onlyAtStart: Readonly<Record<string, string>> = {
  listeners: "sockets are opened once",
  "advertised.listeners": "told to the cluster when the broker registers",
  "listener.security.protocol.map": "there is one protocol",
};
const asTopics = "its topics have the bound: what a topic could not use is refused where it is set";
const checkedLater = "Kafka refuses it too, not where it defines the setting but where it checks the whole of them";
const locksOut = "with none nobody could connect, not even to change it again";
/** Where a definition of Kafka's brokers accepts any number, or more of them than here, and why this one does not. */
const otherBound: Readonly<Record<string, string>> = {
  "log.roll.ms": asTopics,
  "log.flush.interval.ms": asTopics,
  "log.roll.jitter.ms": asTopics,
  "log.retention.ms": checkedLater,
  "log.cleaner.threads": checkedLater,
  "num.replica.fetchers": checkedLater,
  "log.cleaner.dedupe.buffer.size": checkedLater,
  "max.connections": locksOut,
  "max.connections.per.ip": locksOut,
};
function topicSetting(name: string): NamedSetting {
  const setting = topicSettingsByName.get(name);
  if (setting === undefined) throw new Error(name);
  return setting.topic;
}

function accepts(setting: NamedSetting, text: string): boolean {
  return "value" in setting.parse(text);
}

const typeMinimum: Readonly<Record<string, string>> = { int: "-2147483648", long: "-9223372036854775808", short: "-32768" };

/** What of the setting's bounds is not Kafka's. */
function otherBounds(setting: NamedSetting, { type, min, max, choices }: KafkaSetting): string[] {
  const expected: [text: string, isGood: boolean][] = choices.map((choice) => [choice, true]);
  if (choices.length > 0) expected.push(["no-such-choice", false]);
  const step = (text: string, by: bigint) => String(BigInt(text) + by);
  if (type in typeMinimum || type === "double") {
    if (min !== "") expected.push([min, true], [step(min, -1n), false]);
    else if (type in typeMinimum) expected.push([typeMinimum[type] as string, true]);
    if (max !== "") expected.push([max, true], [step(max, 1n), false]);
    else if (type === "int") expected.push(["2147483647", true], ["2147483648", false]);
    else if (type === "long") expected.push(["9223372036854775807", true], ["9223372036854775808", false]);
    expected.push(["x", false], ["", false]);
  }
  if (type === "boolean") expected.push(["TRUE", true], ["false", true], ["1", false]);
  return expected
    .filter(([text, isGood]) => accepts(setting, text) !== isGood)
    .map(([text, isGood]) => `${text}: ${isGood ? "refused" : "accepted"}`);
}

/** Named as Kafka names what is like it. */
const ours: Readonly<Record<string, string>> = {
  "broker.suspect.timeout.ms": "Kafka's brokers do not watch each other",
  "log.dir.stall.timeout.ms": "Kafka's brokers wait for a disk that hangs",
  "metrics.listener": "Kafka's metrics are read over JMX",
  "follower.replication.throttled.rate": "Kafka has it at run time only, apart from the settings of a broker's file",
  "leader.replication.throttled.rate": "as above",
  "replica.alter.log.dirs.io.max.bytes.per.second": "as above",
};

test("a topic has Kafka's settings, all of them and no others, with its types, defaults and bounds", () => {
  const names = [...topicSettingsByName.keys()].filter((name) => !name.startsWith("ottla."));
  expect(names.toSorted()).toEqual(ofTopics.map(({ name }) => name).toSorted());
  for (const kafka of ofTopics) {
    const setting = topicSetting(kafka.name);
    expect([setting.type, setting.defaultText], kafka.name).toEqual([kafka.type, kafka.default]);
    if (kafka.name !== "remote.storage.enable") expect(otherBounds(setting, kafka), kafka.name).toEqual([]);
  }
  expect(accepts(topicSetting("remote.storage.enable"), "true"), "there is no tiered storage").toBe(false);
  expect(accepts(topicSetting("compression.gzip.level"), "0"), "neither a level nor -1").toBe(false);
});

test("a broker's settings have Kafka's types and defaults, and are changed at run time where Kafka's are", () => {
  const other: string[] = [];
  for (const [name, setting] of brokerSettingsByName) {
    if (name.startsWith("ottla.") || name in ours) continue;
    const kafka = ofBrokers.get(name);
    if (kafka === undefined) {
      other.push(`${name}: not Kafka's`);
      continue;
    }
    const defaultText = setting.defaultText ?? "null";
    if (setting.type !== kafka.type && !(name in otherTypes)) other.push(`${name}: ${setting.type}, ${kafka.type} in Kafka`);
    if (defaultText !== kafka.default && !(name in otherDefaults)) other.push(`${name}: ${defaultText}, ${kafka.default} in Kafka`);
    const isDynamic = setting.update !== "read-only";
    if (isDynamic !== (kafka.isDynamic && !(name in onlyAtStart))) other.push(`${name}: changed at run time here, or there, but not both`);
    // at the start a value may be refused that Kafka accepts and then fails with; at run time the bounds are Kafka's
    if (isDynamic && !(name in otherBound)) other.push(...otherBounds(setting, kafka).map((what) => `${name}: ${what}`));
  }
  expect(other).toEqual([]);
});

test("every setting of Kafka's brokers is accepted, or refused with the reason why it is not here", () => {
  const names = [...ofBrokers.keys()];
  expect(names.filter((name) => !brokerSettingsByName.has(name) && whyNotHere(name) === null)).toEqual([]);
  expect(names.filter((name) => brokerSettingsByName.has(name) && whyNotHere(name) !== null)).toEqual([]);
  expect(brokerTextFault("ssl.keystore.location", "/k")).toBe(
    "The broker setting ssl.keystore.location would have no effect: there is no TLS and no SASL yet.",
  );
  expect(brokerTextFault("max.connection.creation.rate", "20")).toBeNull();
  expect(brokerTextFault("max.connection.creation.rate", "fast")).toContain("must be a whole number");
});

test("a start says which settings have no effect, and why those of Kafka that are not accepted are not", () => {
  const overrides = ["broker.id=1", "zookeeper.connect=z:2181", "log.dirs=/d", "socket.send.buffer.bytes=1", "quota.window.num=3"];
  const inputs = { environment: {}, fileText: "ssl.keystore.password=x\nauthorizer.class.name=a.b\n", hostname: "h", overrides };
  expect(readConfig(inputs).warnings).toEqual([
    'configuration file: the setting "ssl.keystore.password" has no effect: there is no TLS and no SASL yet',
    'configuration file: the setting "authorizer.class.name" has no effect: there is no access control yet',
    "without effect here, as docs/configuration.md says: quota.window.num, socket.send.buffer.bytes",
  ]);
});
