import type { Admin } from "../../client/admin/admin.ts";
import { KafkaProtocolError } from "../../client/base/errors.ts";
import { CommandFailed } from "../output/command-failed.ts";

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

/** Throws when the offset is in none of the ranges, or is not in one of them, with what there is. */
export function requireInRange(offset: number, ranges: readonly LogRange[]): void {
  const outside = ranges.filter(({ start, end }) => offset < start || offset > end);
  if (outside.length === 0) return;
  const listed = outside.slice(0, listedMax).map(rangeText).join(", ");
  const more = outside.length > listedMax ? `, and ${outside.length - listedMax} more` : "";
  const hint = outside.length < ranges.length ? "name others with --partition" : "--from beginning and --from end are always within it";
  throw new CommandFailed(`offset ${offset} is out of range: ${listed}${more}; ${hint}`);
}

function rangeText({ topic, partition, start, end }: LogRange): string {
  const where = `${topic}-${partition}`;
  return start === end ? `${where} is empty and goes on at ${end}` : `${where} has ${start} to ${end - 1} and goes on at ${end}`;
}
