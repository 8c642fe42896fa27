import { setTimeout } from "node:timers/promises";
import type { Admin, TopicDescription } from "../../client/index.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import { isOffline } from "./topic-health.ts";

/** The newest record of a partition whose timestamp is in the future. */
export interface FutureRecord {
  readonly offset: number;
  readonly timestampMs: number;
}

export type FutureRecords = ReadonlyMap<string, FutureRecord>;

/** Clocks usually differ by less. */
const aheadMaxMs = 60_000;
/** A description is also for clusters in trouble: one whose leaders do not answer is described without this. */
const futureRecordsMaxMs = 2_000;

/** Records of these topics with timestamps in the future, by partition. Without those whose leaders did not answer in time. */
export async function futureRecordsOf(
  admin: Pick<Admin, "listOffsets">,
  topics: readonly TopicDescription[],
  nowMs: number,
): Promise<FutureRecords> {
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter((partition) => !isOffline(partition)).map(({ partition }) => ({ topic: name, partition })),
  );
  const newest = admin.listOffsets(led.map((each) => ({ ...each, spec: "max-timestamp" }))).catch(() => []);
  const tooLate = setTimeout(futureRecordsMaxMs, [], { ref: false });
  const found = await Promise.race([newest, tooLate]);
  const future = found.filter(({ timestampMs }) => timestampMs > nowMs + aheadMaxMs);
  return new Map(future.map(({ topic, partition, offset, timestampMs }) => [partitionKey(topic, partition), { offset, timestampMs }]));
}

export function futureLine(partition: number, { offset, timestampMs }: FutureRecord): string {
  const time = timeOf(timestampMs);
  return `partition ${partition}: the record at offset ${offset} is of ${time}, which is to come: retention.ms keeps it, and all that come after it, until then\n`;
}

/** Dates end in the year 275760. */
function timeOf(timestampMs: number): string {
  return timestampMs <= 8.64e15 ? new Date(timestampMs).toISOString() : `${timestampMs} ms`;
}
