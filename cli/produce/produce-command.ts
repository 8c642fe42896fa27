import { createReadStream } from "node:fs";
import { Producer } from "../../client/producer/producer.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { CommandFailed, explain, UsageError } from "../output/command-failed.ts";
import { complain, tellingRuntime } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import { progress } from "../output/progress.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatBytes, formatCount, formatSeconds } from "../output/units.ts";
import { forPeople } from "../session/client-session.ts";
import { FileFollower, followLimits } from "./file-follower.ts";
import { nodeFollowedFiles } from "./followed-files.ts";
import { type LineSource, streamSource } from "./line-source.ts";
import { LineTooLong } from "./line-splitter.ts";
import { PositionFile } from "./position-file.ts";
import { type ShipReport, shipLines } from "./ship-lines.ts";

export interface ProduceOptions {
  readonly topic: string;
  readonly bootstrap: readonly string[];
  readonly json: boolean;
  readonly keySeparator: string | null;
  readonly keepKey: boolean;
  /** Null: standard input. */
  readonly file: string | null;
  readonly follow: string | null;
  readonly positionFile: string | null;
  readonly acks: -1 | 0 | 1;
  readonly enableIdempotence: boolean;
  readonly codec: CompressionCodec;
  readonly partition: number | null;
  /** How long a line may take to be acknowledged, all attempts included. */
  readonly deliveryTimeoutMs: number;
  readonly lineBytesMax: number;
}

/** A line waits this long for others in the same batch. */
const lingerMs = 5;
const topicKnownMaxMs = 30_000;
const positionSavedEveryMs = 1000;
const readBytes = 256 * 1024;

/**
 * Sends lines until the input ends or `stop` aborts; then everything read is still sent. Prints the summary; rejects when a line was not
 * acknowledged.
 */
export async function produce(options: ProduceOptions, output: Output, stop: AbortSignal): Promise<void> {
  if (options.positionFile !== null && options.follow === null) throw new UsageError("--position-file goes with --follow only");
  if (options.keepKey && options.keySeparator === null) throw new UsageError("--keep-key goes with --key-separator only");
  await using producer = new Producer({
    bootstrap: options.bootstrap,
    clientId: "ottla-produce",
    runtime: tellingRuntime,
    acks: options.acks,
    enableIdempotence: options.enableIdempotence,
    compression: options.codec,
    lingerMs,
    requestBytesMax: Math.max(1024 * 1024, options.lineBytesMax + 64 * 1024),
    maxBlockMs: topicKnownMaxMs,
    deliveryTimeoutMs: options.deliveryTimeoutMs,
  });
  tellWaits(producer);
  const { partitions } = await producer.partitionsOf(options.topic, { signal: stop }).catch((error) => {
    throw stop.aborted ? new CommandFailed("stopped before any broker answered; nothing was sent") : error;
  });
  if (options.partition !== null && options.partition >= partitions.length)
    throw new CommandFailed(`topic ${options.topic} has partitions 0 to ${partitions.length - 1}, there is no ${options.partition}`);
  const positions = options.positionFile === null ? null : new PositionFile(options.positionFile);
  const failed = new AbortController();
  const source = await openSource(options, positions, AbortSignal.any([stop, failed.signal]));
  const saving = positions !== null && source instanceof FileFollower ? savePositions(positions, source) : null;
  const bar = progress("sent", null);
  try {
    const format = { keySeparator: options.keySeparator === null ? null : Buffer.from(options.keySeparator), keepKey: options.keepKey };
    const { topic, partition } = options;
    const onProgress = (report: ShipReport) => bar.show(report.acknowledged, figures(report));
    const onFailure = () => failed.abort();
    const report = await shipLines(source, producer, { topic, partition, format, onProgress, onFailure }, nodeClock).catch((error) => {
      throw explainInput(error, options);
    });
    await saving?.end();
    bar.end();
    await summarize(report, options, output);
  } finally {
    await saving?.end();
    bar.end();
  }
}

async function openSource(options: ProduceOptions, positions: PositionFile | null, stop: AbortSignal): Promise<LineSource> {
  const { follow, file, lineBytesMax } = options;
  if (follow === null) {
    const input = file === null || file === "-" ? process.stdin : createReadStream(file, { highWaterMark: readBytes });
    return streamSource(input, { lineBytesMax }, stop);
  }
  const resumeFrom = (await positions?.read()) ?? [];
  const followed = { ...followLimits, path: follow, resumeFrom, endsWithPartialLine: positions === null, lineBytesMax };
  return new FileFollower(followed, nodeFollowedFiles, nodeClock, stop);
}

/** Writes now and then how far the lines are stored, and once more at the end. */
function savePositions(file: PositionFile, follower: FileFollower): { end(): Promise<void> } {
  let running = Promise.resolve();
  let failure: unknown = null;
  const save = () => {
    running = running
      .then(() => (failure === null ? file.write(follower.positions()) : undefined))
      .catch((error) => {
        failure = error;
        complain(`positions are not saved any more: ${explain(error)}`);
      });
  };
  const timer = setInterval(save, positionSavedEveryMs);
  let ended: Promise<void> | null = null;
  return {
    end() {
      clearInterval(timer);
      if (ended === null) {
        save();
        ended = running.then(() => {
          if (failure !== null) throw new CommandFailed(`positions could not be saved: ${explain(failure)}`);
        });
      }
      return ended;
    },
  };
}

function explainInput(error: unknown, { lineBytesMax, file, follow }: ProduceOptions): unknown {
  if (error instanceof LineTooLong)
    return new CommandFailed(`a line is longer than ${lineBytesMax} bytes; allow more with --line-bytes-max`);
  const isInput = error instanceof Error && "syscall" in error;
  return isInput ? new CommandFailed(`${follow ?? file ?? "standard input"} cannot be read: ${explain(error)}`) : error;
}

function figures({ lines, bytes, durationMs, retried }: ShipReport): string {
  return `${formatCount(lines, "line")} (${formatBytes(bytes)}) in ${formatSeconds(durationMs)}, ${formatCount(retried, "line")} sent more than once`;
}

async function summarize(report: ShipReport, { topic, json, acks, bootstrap }: ProduceOptions, output: Output): Promise<void> {
  const { lines, acknowledged, failed, retried, bytes, durationMs, failure } = report;
  if (json) {
    const failureText = failure === null ? null : explain(failure);
    await output.json({ topic, lines, acknowledged, failed, retried, bytes, seconds: Math.round(durationMs) / 1000, failure: failureText });
  } else {
    const settled =
      failed > 0 ? `${formatCount(acknowledged, "line")} acknowledged` : acks === 0 ? "not acknowledged, as asked" : "all acknowledged";
    process.stderr.write(`${figures(report)}; ${settled}\n`);
  }
  if (failure === null) return;
  const reason = explain(forPeople(failure, bootstrap));
  throw new CommandFailed(`${formatCount(failed, "line")} of ${lines.toLocaleString("en")} may not be stored: ${reason}`, {
    cause: failure,
  });
}
