import { type Command, Option } from "commander";
import { ClientClosed, ClientError } from "../../client/base/errors.ts";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { type CompressionCodec, compressionCodecs } from "../../protocol/records/batch-header.ts";
import { parseStartPosition } from "../consume/start-position.ts";
import { type CopyOptions, copy } from "../copy/copy-command.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { forPeople, reachMaxMs, StoppedEarly, withCluster } from "../session/client-session.ts";
import { reachCluster } from "../session/reach-cluster.ts";
import { type CommonOptions, parseBootstrap, wholeNumber, withCommonOptions } from "./command-options.ts";

interface Options extends CommonOptions {
  readonly toBootstrap?: readonly string[];
  readonly from: StartPosition;
  readonly keepPartitions: boolean;
  readonly follow: boolean;
  readonly positionFile?: string;
  readonly codec: CompressionCodec;
  readonly timeout: number;
}

export function register(program: Command): void {
  const command = program
    .command("copy")
    .description("copy a topic's records to another topic, of this cluster or another: keys, values, headers and times")
    .argument("<from>", "topic to read")
    .argument("<to>", "topic to write; created with as many partitions where it does not exist")
    .option("--to-bootstrap <host:port,...>", "brokers of the cluster to write to; that of --bootstrap unless given", parseBootstrap)
    .option(
      "--from <where>",
      "beginning, end, or a time, as for consume",
      (text: string) => parseStartPosition(text, Date.now()),
      "beginning" as StartPosition,
    )
    .option("--keep-partitions", "each record to the partition of the same number; otherwise its key decides", false)
    .option("--follow", "go on with what comes, until Ctrl-C, instead of ending where the topic ended at the start", false)
    .option("--position-file <path>", "remember how far it is, and go on there the next time, without copying twice (docs/records.md)")
    .addOption(new Option("--codec <name>", "compress with").choices(compressionCodecs).default("none"))
    .option("--timeout <seconds>", "give up on a record that is not acknowledged after this long", wholeNumber(1, 86_400), 120);
  withCommonOptions(command).action(async (from: string, to: string, options: Options) => {
    const { bootstrap, json, follow, positionFile = null, toBootstrap = bootstrap, codec, timeout } = options;
    const wanted = {
      from,
      to,
      bootstrap,
      toBootstrap,
      start: options.from,
      keepsPartitions: options.keepPartitions,
      follows: follow,
      positionFile,
      codec,
      deliveryTimeoutMs: timeout * 1000,
    };
    await withCluster(bootstrap, async (stop) => {
      await reachTarget(toBootstrap, stop);
      const report = await copy(wanted, stop).catch((error) => {
        throw withWhereToGoOn(error, wanted);
      });
      const { copied, found, bytes, durationMs } = report;
      if (json)
        await new Output(process.stdout).json({ from, to, copied, alreadyThere: found, bytes, seconds: Math.round(durationMs) / 1000 });
      else process.stderr.write(`${report.text()}\n`);
      if (!stop.aborted || follow) return;
      const goOn = positionFile === null ? "with --position-file, it could go on there" : "the same command goes on there";
      throw new StoppedEarly(`stopped before it was done; ${goOn}`);
    });
  });
}

/** As for the cluster that is read from: a wrong address is told at once. */
async function reachTarget(bootstrap: readonly string[], stop: AbortSignal): Promise<void> {
  await reachCluster({ bootstrap, giveUpAfterMs: reachMaxMs, onLate: complain }, stop).catch((error) => {
    throw stop.aborted ? error : forPeople(error, bootstrap);
  });
}

/** What broke off in the middle can go on; what was refused at the start says itself what to do. */
function withWhereToGoOn(error: unknown, { positionFile, toBootstrap }: CopyOptions): unknown {
  if (positionFile === null || !(error instanceof ClientError) || error instanceof ClientClosed) return error;
  const reason = explain(forPeople(error, toBootstrap));
  return new CommandFailed(`${reason}; ${positionFile} has how far the copy is, and the same command goes on there`, { cause: error });
}
