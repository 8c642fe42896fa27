import { OffsetOutOfRange } from "../../client/base/errors.ts";
import { Consumer } from "../../client/consumer/consumer.ts";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { CommandFailed } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import type { RecordFormat } from "../output/record-format.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { printingConsumer, printRecords } from "./print-records.ts";

export interface ConsumeOptions {
  readonly topic: string;
  readonly bootstrap: readonly string[];
  readonly from: StartPosition;
  /** Empty: all. */
  readonly partitions: readonly number[];
  /** How many records to print; null: no end. */
  readonly recordsMax: number | null;
  /** End where the partitions ended at the start. */
  readonly untilEnd: boolean;
  readonly format: RecordFormat;
}

/** Prints records as they arrive until one of the ends is reached, `stop` aborts or the output is closed. */
export async function consume(options: ConsumeOptions, output: Output, stop: AbortSignal): Promise<void> {
  const { topic, from, partitions, untilEnd, format } = options;
  const ended = AbortSignal.any([stop, output.closed]);
  await using consumer = new Consumer({
    ...printingConsumer,
    bootstrap: options.bootstrap,
    // an explicit offset is meant literally; everything else means the nearest existing record
    offsetReset: typeof from === "object" && "offset" in from ? "none" : "earliest",
    stopAtEnd: untilEnd,
    signal: ended,
  });
  tellWaits(consumer);
  let left = options.recordsMax ?? Number.POSITIVE_INFINITY;
  try {
    await consumer.assign(partitions.length === 0 ? [{ topic, from }] : partitions.map((partition) => ({ topic, partition, from })));
    if (left <= 0) return;
    for await (const { records } of consumer.batches()) {
      await printRecords(records.slice(0, left), format, output);
      left -= records.length;
      if (left <= 0 || ended.aborted) return;
    }
  } catch (error) {
    if (ended.aborted) return;
    if (error instanceof OffsetOutOfRange)
      throw new CommandFailed(`${error.message}; see \`ottla topic describe ${topic} --offsets\`, and name a --partition`, {
        cause: error,
      });
    throw error;
  }
}
