import { InvalidArgumentError } from "commander";
import type { Admin, ItemResult, TopicPartition } from "../../client/index.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import { table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import { logRanges, rangesText } from "../session/log-ranges.ts";
import type { Shown } from "./topic-commands.ts";

/** The first record to keep in a partition; `"all"`: keep none of the present ones. */
export interface PartitionCut {
  readonly partition: number;
  readonly before: number | "all";
}

/** Collects `PARTITION:OFFSET` options; the offset may be `end`, or -1 as in Kafka's own tool. */
export function collectCut(text: string, previous: readonly PartitionCut[]): readonly PartitionCut[] {
  const match = /^(\d{1,9}):(\d{1,15}|end|-1)$/.exec(text);
  if (match === null) throw new InvalidArgumentError(`"${text}" is not PARTITION:OFFSET, as in 0:1500, or PARTITION:end.`);
  const partition = Number(match[1]);
  if (previous.some((cut) => cut.partition === partition)) throw new InvalidArgumentError(`partition ${partition} is named twice.`);
  return [...previous, { partition, before: match[2] === "end" || match[2] === "-1" ? "all" : Number(match[2]) }];
}

/** Deletes the oldest records of partitions. `cuts` null: all records of all of them. */
export async function deleteRecords(
  admin: Admin,
  topic: string,
  cuts: readonly PartitionCut[] | null,
  { output, json }: Shown,
): Promise<void> {
  const [described] = await admin.describeTopics([topic]);
  if (described === undefined || described.error !== null) throw described?.error ?? new UsageError(`no answer about topic ${topic}`);
  const { length } = described.partitions;
  const absent = cuts?.find(({ partition }) => partition >= length);
  if (absent !== undefined) throw new UsageError(`${topic} has ${formatCount(length, "partition")}, none is ${absent.partition}`);
  const wanted = cuts ?? described.partitions.map(({ partition }) => ({ partition, before: "all" as const }));
  const results = await admin.deleteRecords(wanted.map((cut) => ({ topic, ...cut })));
  const done = results.flatMap((result) =>
    result.error === null ? [{ partition: result.partition, startOffset: result.startOffset }] : [],
  );
  if (json) await output.json({ name: topic, partitions: done });
  else if (done.length > 0)
    await output.write(
      table(
        ["topic", "partition", "start"],
        done.map(({ partition, startOffset }) => [topic, partition, startOffset]),
        output.look,
      ),
    );
  await failForRange(admin, topic, results);
  failForErrors(results);
}

/** An offset that is not in its log: with what there is. */
async function failForRange(admin: Admin, topic: string, results: readonly ItemResult<TopicPartition>[]): Promise<void> {
  const outside = results.flatMap(({ partition, error }) => (error?.code === "OFFSET_OUT_OF_RANGE" ? [partition ?? 0] : []));
  if (outside.length === 0) return;
  const ranges = await logRanges(admin, [topic], outside);
  throw new CommandFailed(`the offset is out of range: ${rangesText(ranges)}; nothing was deleted there`);
}
