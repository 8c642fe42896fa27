import { KafkaProtocolError } from "../../client/base/errors.ts";
import { Consumer } from "../../client/consumer/consumer.ts";
import type { AssignorName } from "../../client/group/assignors.ts";
import type { TopicPattern } from "../../client/group/topic-watch.ts";
import type { Isolation } from "../../client/metadata/offset-lookup.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { printingConsumer } from "./print-records.ts";
import type { RecordPrinter } from "./record-printer.ts";

export interface ConsumeGroupOptions {
  readonly topics: readonly TopicPattern[];
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
  /** Where this member runs: see `ConsumerOptions`. Null: read from the leaders. */
  readonly rack: string | null;
  readonly isolation: Isolation;
  /** End where the partitions ended when they were assigned. */
  readonly untilEnd: boolean;
}

/** Prints records of the partitions that the group assigns to us, and commits what was printed, until one of the ends is reached. */
export async function consumeInGroup(options: ConsumeGroupOptions, printer: RecordPrinter, stop: AbortSignal): Promise<void> {
  const { topics, group, assignors, instanceId, sessionTimeoutMs, rack } = options;
  const { output } = printer;
  await using consumer = new Consumer({
    ...printingConsumer,
    bootstrap: options.bootstrap,
    offsetReset: options.from === "beginning" ? "earliest" : "latest",
    stopAtEnd: options.untilEnd,
    isolation: options.isolation,
    group,
    groupProtocol: options.groupProtocol,
    ...(assignors.length === 0 ? {} : { assignors }),
    ...(instanceId === null ? {} : { groupInstanceId: instanceId }),
    ...(rack === null ? {} : { rack }),
    ...(sessionTimeoutMs === null ? {} : withSession(sessionTimeoutMs)),
  });
  tellWaits(consumer);
  let isPrinting = false;
  // leaving includes a last commit; what is being printed is to be in it
  const end = () => {
    if (!isPrinting || output.closed.aborted) void consumer.close();
  };
  for (const signal of [stop, output.closed]) signal.addEventListener("abort", end, { once: true });
  try {
    await consumer.subscribe(topics);
    if (printer.isDone) return;
    for await (const { topic, partition, records } of consumer.batches()) {
      isPrinting = true;
      const printed = await printer.print(records);
      isPrinting = false;
      if (output.closed.aborted) return; // these may not have been read: they are not committed
      // what was looked at and left out counts as read, except after the last that was wanted
      const last = printer.isDone ? printed.at(-1) : records.at(-1);
      if ((!printer.isDone && !stop.aborted) || last === undefined) continue;
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
