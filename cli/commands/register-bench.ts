import { type Command, Option } from "commander";
import { type CompressionCodec, compressionCodecs } from "../../protocol/records/batch-header.ts";
import { type BenchReport, runBench, type Throughput } from "../bench/run-bench.ts";
import { Output } from "../output/output.ts";
import { progress } from "../output/progress.ts";
import { withCluster } from "../session/client-session.ts";
import { type CommonOptions, wholeNumber, withCommonOptions } from "./command-options.ts";

interface Options extends CommonOptions {
  readonly records: number;
  readonly size: number;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly acks: "all" | "1" | "0";
  readonly idempotence: boolean;
  readonly codec: CompressionCodec;
  readonly rate?: number;
  readonly underWay: number;
}

export function register(program: Command): void {
  const bench = program
    .command("bench")
    .description("measure a cluster: make a topic, write to it, read it back, delete it")
    .option("--records <count>", "how many", wholeNumber(1, 1_000_000_000), 200_000)
    .option("--size <bytes>", "of each value", wholeNumber(1, 900_000), 1024)
    .option("--partitions <count>", "of the topic", wholeNumber(1, 10_000), 6)
    .option("--replication-factor <count>", "copies of each", wholeNumber(1, 32_767), 3)
    .addOption(new Option("--acks <who>", "when a record counts as stored").choices(["all", "1", "0"]).default("all"))
    .option("--no-idempotence", "measure a producer that may write a record twice (with --acks 1 or 0 it is always so)")
    .addOption(new Option("--codec <name>", "compress with").choices(compressionCodecs).default("none"))
    .option("--rate <count>", "records per second; as fast as they are taken unless given", wholeNumber(1, 10_000_000))
    .option("--under-way <count>", "records sent and not acknowledged, at most", wholeNumber(1, 200_000), 5000);
  withCommonOptions(bench).action(async (options: Options) => {
    const { bootstrap, json, records, size, rate, underWay, partitions, replicationFactor, codec } = options;
    const acks = options.acks === "all" ? -1 : options.acks === "1" ? 1 : 0;
    const wanted = {
      bootstrap,
      records,
      sizeInBytes: size,
      partitions,
      replicationFactor,
      acks,
      enableIdempotence: options.idempotence && acks === -1,
      codec,
      rate: rate ?? null,
      underWayMax: underWay,
    } as const;
    const bar = progress("bench", records * 2);
    const report = await withCluster(bootstrap, (stop) =>
      runBench(wanted, (phase, done) => bar.show(phase === "produce" ? done : records + done, phase), stop),
    ).finally(() => bar.end());
    const output = new Output(process.stdout);
    if (json) await output.json(report);
    else await output.write(reportAsText(report));
  });
}

export function reportAsText({ produce, consume }: BenchReport): string {
  const { p50, p99, p999, max } = produce.latencyMs;
  const latency = `latency p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, p99.9 ${p999.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
  return `produced  ${speed(produce)}, ${latency}, ${produce.retried} sent more than once\nconsumed  ${speed(consume)}\n`;
}

function speed({ records, seconds, recordsPerSecond, megabytesPerSecond }: Throughput): string {
  const perSecond = Math.round(recordsPerSecond).toLocaleString("en");
  return `${records.toLocaleString("en")} records in ${seconds.toFixed(2)} s: ${perSecond} records/s, ${megabytesPerSecond.toFixed(1)} MB/s`;
}
