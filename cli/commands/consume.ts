import { type Command, InvalidArgumentError } from "commander";
import type { StartPosition } from "../../client/consumer/assigned-partition.ts";
import { consume } from "../consume/consume-command.ts";
import { parseRecordFormat, type RecordFormat } from "../consume/record-format.ts";
import { parseStartPosition } from "../consume/start-position.ts";
import { Output } from "../output/output.ts";
import { withCluster } from "./client-session.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./options.ts";

interface Options extends CommonOptions {
  readonly from: StartPosition;
  readonly partition: readonly number[];
  readonly max?: number;
  readonly untilEnd: boolean;
  readonly format?: RecordFormat;
}

export function registerConsume(program: Command): void {
  const command = program
    .command("consume")
    .description("print records as they arrive, until Ctrl-C")
    .argument("<topic>")
    .option(
      "--from <where>",
      "beginning, end, an offset, or a time: 2026-07-01T12:00:00Z, milliseconds since 1970 (@1000 for early ones)",
      parseStartPosition,
      "end" as StartPosition,
    )
    .option("--partition <number>", "only this partition; may be repeated", collectPartition, [])
    .option("--max <count>", "end after so many records", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--until-end", "end where the partitions ended at the start", false)
    .option(
      "--format <format>",
      "value (default), key-value, json, full, or a template: %k key, %v value, %t topic, %p partition, %o offset, %T time in ms, %h headers, \\n, \\t",
      parseRecordFormat,
    );
  withCommonOptions(command).action(async (topic: string, { bootstrap, json, from, partition, max, untilEnd, format }: Options) => {
    const options = {
      topic,
      bootstrap,
      from,
      partitions: [...new Set(partition)],
      recordsMax: max ?? null,
      untilEnd,
      format: format ?? parseRecordFormat(json ? "json" : "value"),
    };
    await withCluster(bootstrap, (stop) => consume(options, new Output(process.stdout), stop));
  });
}

const partitionNumber = wholeNumber(0, 2 ** 31 - 1);

function collectPartition(text: string, previous: readonly number[]): number[] {
  if (previous.length >= 100_000) throw new InvalidArgumentError("too many partitions.");
  return [...previous, partitionNumber(text)];
}
