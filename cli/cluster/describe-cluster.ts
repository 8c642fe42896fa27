import { Admin } from "../../client/index.ts";
import { noBroker } from "../../protocol/base/ids.ts";
import type { Output } from "../output/output.ts";
import { table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { healthOf } from "../topic/topic-health.ts";

export interface DescribeClusterOptions {
  readonly bootstrap: readonly string[];
  readonly json: boolean;
  /** When nobody has answered until then, the command fails: it serves as a health check. */
  readonly timeoutMs: number;
}

export async function describeCluster(
  { bootstrap, json, timeoutMs }: DescribeClusterOptions,
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
  const { clusterId, controllerId, brokers } = await admin.describeCluster();
  const health = healthOf(await admin.listTopics());
  if (json) {
    await output.json({ clusterId, controllerId, brokers, ...health });
    return;
  }
  const rows = brokers.map(({ id, host, port, rack }) => [id, `${host}:${port}`, rack ?? "-", id === controllerId ? "controller" : ""]);
  await output.write(`cluster ${clusterId ?? "-"}  controller ${controllerId === noBroker ? "none" : controllerId}\n`);
  await output.write(table(["broker", "address", "rack", ""], rows));
  const { topics, partitions, underReplicated, offline } = health;
  await output.line(
    `${formatCount(topics, "topic")}  ${formatCount(partitions, "partition")}  ${underReplicated} under-replicated  ${offline} offline`,
  );
}
