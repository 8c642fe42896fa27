import { Admin } from "../../client/admin/admin.ts";
import { noBroker } from "../../protocol/base/ids.ts";
import { paint } from "../output/look.ts";
import { table } from "../output/table.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatCount } from "../output/units.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { healthOf } from "../topic/topic-health.ts";
import { brokerConfigs, brokerConfigsAsText } from "./cluster-configs.ts";

export interface DescribeClusterOptions {
  readonly bootstrap: readonly string[];
  /** When no broker has answered by then, the command fails: it serves as a health check. */
  readonly timeoutMs: number;
  /** The brokers' settings too: of one broker, or "all". Null: not requested. */
  readonly configsOf: number | "all" | null;
}

export async function describeCluster(
  { bootstrap, timeoutMs, configsOf }: DescribeClusterOptions,
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
  if (json) {
    await output.json({ clusterId, controllerId, brokers, ...health, ...(configs === null ? {} : { configs }) });
    return;
  }
  const { look } = output;
  const rows = brokers.map(({ id, host, port, rack }) => [id, `${host}:${port}`, rack ?? "-", id === controllerId ? "controller" : ""]);
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
  if (configs !== null) await output.write(brokerConfigsAsText(configs, look));
}
