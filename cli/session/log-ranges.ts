import type { Admin } from "../../client/admin/admin.ts";
import { KafkaProtocolError } from "../../client/base/errors.ts";

/** What there is in a partition: offsets from `start` up to `end`, which the next record will have. */
export interface LogRange {
  readonly topic: string;
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

/** Ranges that a message lists; the others are counted. */
const listedMax = 6;

/** Of these partitions of the topics, or all. */
export async function logRanges(admin: Admin, topics: readonly string[], partitions: readonly number[]): Promise<LogRange[]> {
  const described = await admin.describeTopics(topics);
  const wanted = described.flatMap(({ name = "", error, partitions: present = [] }) => {
    if (error !== null) throw error;
    const missing = partitions.find((partition) => partition >= present.length);
    if (missing !== undefined) throw new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", `${name}-${missing}`);
    const numbers = partitions.length === 0 ? present.map(({ partition }) => partition) : partitions;
    return numbers.map((partition) => ({ topic: name, partition }));
  });
  const [starts, ends] = await Promise.all(
    (["earliest", "latest"] as const).map((spec) => admin.listOffsets(wanted.map((each) => ({ ...each, spec })))),
  );
  return wanted.map((each, index) => ({ ...each, start: starts?.[index]?.offset ?? 0, end: ends?.[index]?.offset ?? 0 }));
}

/** What there is in each, the first few of them. */
export function rangesText(ranges: readonly LogRange[]): string {
  const listed = ranges.slice(0, listedMax).map(rangeText).join(", ");
  return ranges.length > listedMax ? `${listed}, and ${ranges.length - listedMax} more` : listed;
}

function rangeText({ topic, partition, start, end }: LogRange): string {
  const where = `${topic}-${partition}`;
  return start === end ? `${where} is empty and goes on at ${end}` : `${where} has ${start} to ${end - 1} and goes on at ${end}`;
}
