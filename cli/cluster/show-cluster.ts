import { Admin } from "../../client/admin/admin.ts";
import type { BrokerMetadata, TopicDescription } from "../../client/index.ts";
import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { paint } from "../output/look.ts";
import { type Cell, table } from "../output/table.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatCount } from "../output/units.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { type Health, healthOf } from "../topic/topic-health.ts";
import { brokerConfigs, brokerConfigsAsText } from "./cluster-configs.ts";

export interface DescribeClusterOptions {
  readonly bootstrap: readonly string[];
  /** When no broker has answered by then, the command fails: it serves as a health check. */
  readonly timeoutMs: number;
  /** The brokers' settings too: of one broker, or "all". Null: not requested. */
  readonly configsOf: number | "all" | null;
  /** Fails when something is wrong with it. */
  readonly mustBeWell: boolean;
}

export async function describeCluster(
  { bootstrap, timeoutMs, configsOf, mustBeWell }: DescribeClusterOptions,
  { output, json }: Shown,
  stop: AbortSignal,
): Promise<void> {
  await using admin = new Admin({
    bootstrap,
    clientId: "ottla-cluster",
    signal: stop,
    operationTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
    connectTimeoutMs: Math.min(timeoutMs, 5000),
  });
  tellWaits(admin);
  const { clusterId, controllerId, brokers } = await admin.describeCluster();
  const all = await admin.listTopics();
  const health = healthOf(all);
  const configs = configsOf === null ? null : await brokerConfigs(admin, brokers, configsOf === "all" ? null : configsOf);
  const loads = loadsOf(brokers, all);
  const missing = missingBrokers(
    all,
    brokers.map(({ id }) => id),
  );
  const troubles = troublesOf(health, missing);
  if (json) {
    const loaded = brokers.map((broker) => ({ ...broker, ...loads.get(broker.id) }));
    const told = { clusterId, controllerId, brokers: loaded, missingBrokers: missing, ...health };
    await output.json({ ...told, ...(configs === null ? {} : { configs }) });
    if (mustBeWell) failFor(troubles);
    return;
  }
  const { look } = output;
  const isEmpty = (id: BrokerId) => health.partitions > 0 && loads.get(id)?.replicas === 0;
  const rows: Cell[][] = brokers.map(({ id, host, port, rack }) => {
    const notes = [...(id === controllerId ? ["controller"] : []), ...(isEmpty(id) ? ["nothing on it"] : [])];
    return [id, `${host}:${port}`, rack ?? "-", notes.join(", ")];
  });
  for (const id of missing) rows.push([id, "-", "-", { text: "missing", tone: "bad" }]);
  await output.line(`cluster ${clusterId ?? "-"}  controller ${controllerId === noBroker ? "none" : controllerId}`);
  await output.write(table(["broker", "address", "rack", ""], rows, look));
  const { topics, partitions, underReplicated, offline } = health;
  const internal = all.filter(({ isInternal }) => isInternal).length;
  const counts = [
    `${formatCount(topics, "topic")}${internal === 0 ? "" : ` (${internal} internal)`}`,
    formatCount(partitions, "partition"),
    paint(`${underReplicated} under-replicated`, underReplicated > 0 ? "warning" : null, look),
    paint(`${offline} offline`, offline > 0 ? "bad" : null, look),
  ];
  await output.write(`${counts.join("  ")}\n`);
  if (look.isTerminal && brokers.some(({ id }) => isEmpty(id)))
    await output.line("`ottla cluster rebalance` gives a broker with nothing on it its share; --dry-run shows what that would be");
  if (configs !== null) await output.write(brokerConfigsAsText(configs, look));
  if (mustBeWell) failFor(troubles);
}

/** Those that have replicas, and are not registered. */
export function missingBrokers(topics: readonly TopicDescription[], present: readonly BrokerId[]): BrokerId[] {
  const named = new Set(topics.flatMap(({ partitions }) => partitions.flatMap(({ replicas }) => replicas)));
  return [...named].filter((id) => !present.includes(id)).sort((a, b) => a - b);
}

function troublesOf({ offline, underReplicated }: Health, missing: readonly BrokerId[]): string[] {
  return [
    ...(offline === 0 ? [] : [`${formatCount(offline, "partition")} offline`]),
    ...(underReplicated === 0 ? [] : [`${formatCount(underReplicated, "partition")} under-replicated`]),
    ...(missing.length === 0 ? [] : [`broker${missing.length === 1 ? "" : "s"} ${missing.join(", ")} missing`]),
  ];
}

function failFor(troubles: readonly string[]): void {
  if (troubles.length > 0)
    throw new CommandFailed(`the cluster is not well: ${troubles.join(", ")}; see \`ottla topic describe --under-replicated\``);
}

interface Load {
  readonly leaders: number;
  readonly replicas: number;
}

/** What each broker leads, and has. */
export function loadsOf(brokers: readonly BrokerMetadata[], topics: readonly TopicDescription[]): ReadonlyMap<BrokerId, Load> {
  const loads = new Map(brokers.map(({ id }) => [id, { leaders: 0, replicas: 0 }]));
  for (const { leader, replicas } of topics.flatMap(({ partitions }) => partitions))
    for (const id of replicas) {
      const load = loads.get(id);
      if (load === undefined) continue;
      load.replicas++;
      if (id === leader) load.leaders++;
    }
  return loads;
}
