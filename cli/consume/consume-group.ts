import { KafkaProtocolError } from "../../client/base/errors.ts";
import { Consumer } from "../../client/consumer/consumer.ts";
import type { AssignorName } from "../../client/group/assignors.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import type { RecordFormat } from "../output/record-format.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { printingConsumer, printRecords } from "./print-records.ts";

export interface ConsumeGroupOptions {
  readonly topic: string;
  readonly bootstrap: readonly string[];
  readonly group: string;
  /** Where to begin in partitions in which the group has no position. */
  readonly from: "beginning" | "end";
  readonly groupProtocol: "classic" | "consumer";
  /** Empty: the client's default. */
  readonly assignors: readonly AssignorName[];
  readonly instanceId: string | null;
  /** Milliseconds; null: the client's default. */
  readonly sessionTimeoutMs: number | null;
  /** How many records to print; null: no end. */
  readonly recordsMax: number | null;
  /** End where the partitions ended when they were assigned. */
  readonly untilEnd: boolean;
  readonly format: RecordFormat;
}

/** Prints records of the partitions that the group assigns to us, and commits what was printed, until one of the ends is reached. */
export async function consumeInGroup(options: ConsumeGroupOptions, output: Output, stop: AbortSignal): Promise<void> {
  const { topic, group, assignors, instanceId, sessionTimeoutMs, format } = options;
  await using consumer = new Consumer({
    ...printingConsumer,
    bootstrap: options.bootstrap,
    offsetReset: options.from === "beginning" ? "earliest" : "latest",
    stopAtEnd: options.untilEnd,
    group,
    groupProtocol: options.groupProtocol,
    ...(assignors.length === 0 ? {} : { assignors }),
    ...(instanceId === null ? {} : { groupInstanceId: instanceId }),
    ...(sessionTimeoutMs === null ? {} : withSession(sessionTimeoutMs)),
  });
  tellWaits(consumer);
  let isPrinting = false;
  // leaving includes a last commit; what is being printed is to be in it
  const end = () => {
    if (!isPrinting || output.closed.aborted) void consumer.close();
  };
  for (const signal of [stop, output.closed]) signal.addEventListener("abort", end, { once: true });
  let left = options.recordsMax ?? Number.POSITIVE_INFINITY;
  try {
    await consumer.subscribe([topic]);
    if (left <= 0) return;
    for await (const { partition, records } of consumer.batches()) {
      const printed = records.slice(0, left);
      isPrinting = true;
      await printRecords(printed, format, output);
      isPrinting = false;
      if (output.closed.aborted) return; // these may not have been read: they are not committed
      left -= printed.length;
      const last = printed.at(-1);
      if ((left > 0 && !stop.aborted) || last === undefined) continue;
      consumer.seek({ topic, partition }, { offset: last.offset + 1 });
      await consumer.commit();
      return;
    }
  } catch (error) {
    if (stop.aborted || output.closed.aborted) return;
    if (error instanceof KafkaProtocolError && error.code === "INCONSISTENT_GROUP_PROTOCOL")
      throw new CommandFailed(`${explain(error)}; see \`ottla group describe ${group}\`, and choose with --assignor or --group-protocol`, {
        cause: error,
      });
    throw error;
  } finally {
    for (const signal of [stop, output.closed]) signal.removeEventListener("abort", end);
  }
}

/** As many heartbeats within a session as with the client's defaults. */
function withSession(sessionTimeoutMs: number): { sessionTimeoutMs: number; heartbeatIntervalMs: number } {
  return { sessionTimeoutMs, heartbeatIntervalMs: Math.min(3_000, Math.max(1, Math.floor(sessionTimeoutMs / 4))) };
}
