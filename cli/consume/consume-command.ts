import { Admin } from "../../client/admin/admin.ts";
import { OffsetOutOfRange } from "../../client/base/errors.ts";
import { Consumer } from "../../client/consumer/consumer.ts";
import type { Assignment } from "../../client/consumer/consumer-options.ts";
import type { Isolation } from "../../client/metadata/offset-lookup.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { type LogRange, logRanges } from "../session/log-ranges.ts";
import { printingConsumer } from "./print-records.ts";
import type { RecordPrinter } from "./record-printer.ts";
import { requireInRange } from "./require-in-range.ts";
import { sortedBatches } from "./sorted-batches.ts";
import { type Places, partitionsOf, placeIn } from "./start-position.ts";
import { TailWindow } from "./tail-window.ts";

export interface ConsumeOptions {
  readonly topics: readonly string[];
  readonly bootstrap: readonly string[];
  readonly from: Places;
  /** Null: it goes on, unless `untilEnd`. */
  readonly until: Places | null;
  /** Of each topic. Empty: all, or those that `from` and `until` name. */
  readonly partitions: readonly number[];
  /** End where the partitions ended at the start. */
  readonly untilEnd: boolean;
  /** By timestamp over the partitions. */
  readonly isSorted: boolean;
  /** Begin with so many records before the end, instead of at `from`. */
  readonly tail: number | null;
  /** Where this command runs: see `ConsumerOptions`. Null: read from the leaders. */
  readonly rack: string | null;
  readonly isolation: Isolation;
  /** Told when nothing is printed before something new comes, without having been asked for. */
  readonly onWaiting: (() => void) | null;
}

/** Prints records as they arrive until one of the ends is reached, `stop` aborts or the output is closed. */
export async function consume(options: ConsumeOptions, printer: RecordPrinter, stop: AbortSignal): Promise<void> {
  const { bootstrap, topics, from, tail } = options;
  const partitions = partitionsRead(options);
  const ended = AbortSignal.any([stop, printer.output.closed]);
  await using admin = tellWaits(new Admin({ bootstrap, clientId: printingConsumer.clientId, runtime: tellingRuntime, signal: ended }));
  try {
    const ranges = tail !== null || isLiteral(from) ? await logRanges(admin, topics, partitions) : [];
    for (const [offset, some] of Map.groupBy(ranges, ({ partition }) => offsetIn(from, partition)))
      if (offset !== null) requireInRange(offset, some);
    if (printer.isDone) return;
    if (tail === null) await printFrom(assignments(options), options, printer, ended);
    else await printTail(tail, ranges, options, printer, ended);
  } catch (error) {
    if (ended.aborted) return;
    // records were deleted since
    if (error instanceof OffsetOutOfRange) requireInRange(error.offset, await logRanges(admin, [error.topic], [error.partition]));
    throw error;
  }
}

function partitionsRead({ partitions, from, until }: ConsumeOptions): readonly number[] {
  return [partitions, partitionsOf(from), partitionsOf(until)].find((some) => some.length > 0) ?? [];
}

function assignments(options: ConsumeOptions): Assignment[] {
  const { topics, from, until } = options;
  const partitions = partitionsRead(options);
  const placed = (partition: number) => {
    const [begin, end] = [placeIn(from, partition), until === null ? undefined : placeIn(until, partition)];
    return { ...(begin === undefined ? {} : { from: begin }), ...(end === undefined ? {} : { until: end }) };
  };
  if (partitions.length === 0) return topics.map((topic) => ({ topic, ...placed(0) }));
  return topics.flatMap((topic) => partitions.map((partition) => ({ topic, partition, ...placed(partition) })));
}

/** An explicit offset is meant literally; everything else means the nearest existing record. */
function isLiteral(from: Places): boolean {
  return typeof from === "object" && ("offset" in from || "offsets" in from);
}

function offsetIn(from: Places, partition: number): number | null {
  const place = placeIn(from, partition);
  return typeof place === "object" && "offset" in place ? place.offset : null;
}

function consumerFor({ bootstrap, from, untilEnd, rack, isolation }: ConsumeOptions, signal: AbortSignal): Consumer {
  const consumer = new Consumer({
    ...printingConsumer,
    bootstrap,
    offsetReset: isLiteral(from) ? "none" : "earliest",
    stopAtEnd: untilEnd,
    isolation,
    ...(rack === null ? {} : { rack }),
    signal,
  });
  return tellWaits(consumer);
}

async function printFrom(start: readonly Assignment[], options: ConsumeOptions, printer: RecordPrinter, ended: AbortSignal): Promise<void> {
  await using consumer = consumerFor(options, ended);
  await consumer.assign(start);
  options.onWaiting?.();
  const batches = options.isSorted ? sortedBatches(consumer) : batchesOf(consumer);
  for await (const records of batches) {
    await printer.print(records);
    if (printer.isDone || ended.aborted) return;
  }
}

async function* batchesOf(consumer: Consumer) {
  for await (const { records } of consumer.batches()) yield records;
}

/** The latest records of all partitions together, by timestamp; then, unless that was all, what comes. */
async function printTail(
  tail: number,
  ranges: readonly LogRange[],
  options: ConsumeOptions,
  printer: RecordPrinter,
  ended: AbortSignal,
): Promise<void> {
  const window = new TailWindow<Parameters<RecordPrinter["print"]>[0][number]>(tail);
  const goOn: Assignment[] = [];
  {
    await using consumer = consumerFor({ ...options, from: "beginning", untilEnd: true }, ended);
    await consumer.assign(
      ranges.map(({ topic, partition, start, end }) => ({ topic, partition, from: { offset: Math.max(start, end - tail) } })),
    );
    for await (const records of batchesOf(consumer)) {
      window.add(records);
      if (ended.aborted) return;
    }
    for (const { topic, partition, position } of consumer.assignment()) goOn.push({ topic, partition, from: { offset: position } });
  }
  await printer.print(window.records());
  if (printer.isDone || options.untilEnd || ended.aborted) return;
  await printFrom(goOn, { ...options, onWaiting: null }, printer, ended);
}
