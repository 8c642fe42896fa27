import { Admin } from "../../client/admin/admin.ts";
import { noBroker } from "../../protocol/base/ids.ts";
import type { Output } from "../output/output.ts";
import { table } from "../output/table.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatCount } from "../output/units.ts";
import { healthOf } from "../topic/topic-health.ts";
import { brokerConfigs, brokerConfigsAsText } from "./cluster-configs.ts";

export interface DescribeClusterOptions {
  readonly bootstrap: readonly string[];
  readonly json: boolean;
  /** When no broker has answered by then, the command fails: it serves as a health check. */
  readonly timeoutMs: number;
  /** The brokers' settings too: of one broker, or "all". Null: not requested. */
  readonly configsOf: number | "all" | null;
}

export async function describeCluster(
  { bootstrap, json, timeoutMs, configsOf }: DescribeClusterOptions,
  output: Output,
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
  const health = healthOf(await admin.listTopics());
  const configs = configsOf === null ? null : await brokerConfigs(admin, brokers, configsOf === "all" ? null : configsOf);
  if (json) {
    await output.json({ clusterId, controllerId, brokers, ...health, ...(configs === null ? {} : { configs }) });
    return;
  }
  const rows = brokers.map(({ id, host, port, rack }) => [id, `${host}:${port}`, rack ?? "-", id === controllerId ? "controller" : ""]);
  await output.line(`cluster ${clusterId ?? "-"}  controller ${controllerId === noBroker ? "none" : controllerId}`);
  await output.write(table(["broker", "address", "rack", ""], rows));
  const { topics, partitions, underReplicated, offline } = health;
  await output.line(
    `${formatCount(topics, "topic")}  ${formatCount(partitions, "partition")}  ${underReplicated} under-replicated  ${offline} offline`,
  );
  if (configs !== null) await output.write(brokerConfigsAsText(configs));
}
