import type { UpdateMode } from "./definition.ts";
import type { NamedSetting, Setting } from "./setting.ts";
import { type SettingGroupName, settingGroups, topicSettingsByName } from "./setting-groups.ts";

/** Null: brokers have no such setting. */
const titles: Readonly<Record<SettingGroupName, string | null>> = {
  identity: "Identity",
  coordinator: "Coordinator",
  listeners: "Listeners",
  network: "Network",
  topics: "Topics",
  log: "Log",
  messages: "Messages",
  cleaner: "Compaction",
  replication: "Replication",
  threads: "Threads",
  controller: "Controller",
  autoRebalance: "Automatic rebalancing",
  fetching: "Fetching",
  groups: "Groups",
  consumerGroups: "Consumer groups",
  transactions: "Transactions",
  logging: "Logging",
  monitoring: "Monitoring",
  withoutEffect: "Without effect",
  ofTopicsOnly: null,
};

const updateWords: Readonly<Record<UpdateMode, string>> = {
  "read-only": "at start",
  "per-broker": "at start; at run time for one broker or all",
};

const introduction = `# Configuration

This page is generated from the rows of settings in \`broker/runtime\` by \`node docs/generate-configuration.ts\`; a test keeps it up to date.

Settings have Apache Kafka's names, units, defaults and meaning, so a \`server.properties\` can be used as it is. Names that start with \`ottla.\` are our own.
A broker reads them, the later ones winning, from

1. the file given with \`ottla broker --config FILE\` (Java's properties format),
2. the environment: \`KAFKA_\` or \`OTTLA_\` and the name in upper case with \`_\` for \`.\` (\`OTTLA_NUM_PARTITIONS=6\`; \`ottla.log.level\` is \`OTTLA_LOG_LEVEL\`),
3. the command line: \`--set num.partitions=6\`.

A name that is not known is a warning that names the nearest one that is; a value that is not acceptable is an error that says what
would be.
Kafka's settings for TLS, SASL, access control, tiered storage and classes of Java are not accepted: at the start they are a warning with
the reason, at run time an error.
\`broker.id\`, \`zookeeper.connect\` and \`log.dirs\` must be given.

A topic's setting wins over the broker's; one changed at run time (IncrementalAlterConfigs) for this broker wins over one changed for all brokers, and that
one over what the broker was started with.

Settings marked **no effect** are accepted, kept and shown, so that Kafka's tools work unchanged, but nothing acts on them in this version,
for the reason given with each; a start with any of them says which.

## Listeners

Every listener has a name: \`listeners=INSIDE://:9092,OUTSIDE://:19092\`. A client is told the addresses advertised for the listener it came in
by. One listener belongs to the brokers alone: they speak their own protocol on it, not Kafka's, and it is never shown to clients.
\`inter.broker.listener.name\` says which; without it, it is the one named \`PEER\`, and without that one a free port on the first
listener's host, found by the other brokers through ZooKeeper. Give it a fixed port where a firewall or a container network needs to know
it: \`listeners=PLAINTEXT://:9092,PEER://:9093\`.
`;

/** The reference page, whole. */
export function referencePage(): string {
  const groups = Object.entries(titles).flatMap(([group, title]) =>
    title === null ? [] : [`### ${title}\n\n${brokerTable(Object.values(settingGroups[group as SettingGroupName]))}`],
  );
  return [introduction, "## Broker settings\n", groups.join("\n"), "## Topic settings\n", topicTable()].join("\n");
}

function brokerTable(settings: readonly Setting[]): string {
  const named = settings.flatMap(({ broker }) => broker);
  const rows = named.map((setting) => [
    `\`${setting.name}\``,
    setting.type,
    defaultOf(setting),
    setting.valid,
    updateWords[setting.update],
    explained(setting),
  ]);
  return table(["Name", "Type", "Default", "Valid", "Set", "What it does"], rows);
}

function topicTable(): string {
  const rows = [...topicSettingsByName.values()].map(({ topic, broker }) => [
    `\`${topic.name}\``,
    topic.type,
    defaultOf(topic),
    topic.valid,
    broker.map(({ name }) => `\`${name}\``).join(", "),
    explained(topic),
  ]);
  return table(["Name", "Type", "Default", "Valid", "Without it", "What it does"], rows);
}

function explained({ documentation, unit, withoutEffect: why }: NamedSetting): string {
  const inUnit = unit === null ? "" : ` In ${unit}.`;
  return `${documentation}${inUnit}${why === null ? "" : why === documentation ? " **No effect.**" : ` **No effect:** ${why}`}`;
}

function defaultOf({ defaultText }: NamedSetting): string {
  return defaultText === null || defaultText === "" ? "" : `\`${defaultText}\``;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(heads) + line(heads.map(() => "---")) + rows.map(line).join("");
}
