import { createReadStream } from "node:fs";
import { Producer } from "../../client/producer/producer.ts";
import type { ProducerRecord } from "../../client/producer/producer-record.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import type { RecordHeader } from "../../protocol/records/record.ts";
import { CommandFailed, exitInterrupted, explain, Interrupted, UsageError } from "../output/command-failed.ts";
import { complain, tellingRuntime } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import { progress, silent } from "../output/progress.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatBytes, formatCount, formatSeconds } from "../output/units.ts";
import { forPeople } from "../session/client-session.ts";
import { FileFollower, followLimits } from "./file-follower.ts";
import { nodeFollowedFiles } from "./followed-files.ts";
import { type LineRanges, linesLeft } from "./line-selection.ts";
import { type LineSource, streamSource } from "./line-source.ts";
import { PositionFile } from "./position-file.ts";
import { recordOfJson } from "./record-of-json.ts";
import { type ReadRecord, recordOfLine, underRules } from "./record-of-line.ts";
import { linesToResume, resumeText } from "./resume-file.ts";
import { savePositions } from "./saved-positions.ts";
import { type ShipReport, shipLines } from "./ship-lines.ts";
import { type GoOn, whereStopped, whyAbandoned, whySkipped, whyStopped } from "./stop-report.ts";
import { targetTopic } from "./target-topic.ts";
import { TransactionalLines } from "./transactional-lines.ts";
import { underWayMax } from "./under-way.ts";

export interface ProduceOptions {
  readonly topic: string;
  readonly bootstrap: readonly string[];
  readonly json: boolean;
  readonly input: "lines" | "json";
  /** Of every record that has none of its own. */
  readonly key: string | null;
  readonly headers: readonly RecordHeader[];
  /** A value of exactly this text is null. */
  readonly nullValue: string | null;
  readonly keySeparator: string | null;
  readonly keepKey: boolean;
  readonly keepPartitions: boolean;
  /** Null: standard input. */
  readonly file: string | null;
  readonly follow: string | null;
  readonly positionFile: string | null;
  /** The lines to send; null: all. */
  readonly resume: string | null;
  readonly skipBad: boolean;
  readonly acks: -1 | 0 | 1;
  readonly enableIdempotence: boolean;
  readonly codec: CompressionCodec;
  readonly partition: number | null;
  /** How long a line may take to be acknowledged, all attempts included. */
  readonly deliveryTimeoutMs: number;
  readonly lineBytesMax: number;
  /** Null: outside of transactions. */
  readonly transactional: InTransactions | null;
}

export interface InTransactions {
  readonly transactionalId: string;
  /** Lines of each, but the last. */
  readonly batch: number;
  readonly timeoutMs: number;
}

/** A line waits this long for others in the same batch. */
const lingerMs = 5;
const topicKnownMaxMs = 30_000;
const readBytes = 256 * 1024;
/** More of them are only counted. */
const badLinesToldMax = 20;
const clientId = "ottla-produce";

/** Of the process that runs it. */
export interface Ending {
  readonly stop: AbortSignal;
  /** What to do when stopping is to take no longer. */
  readonly onSecond: (end: () => void) => void;
}

/**
 * Sends lines until the input ends or `stop` aborts; then everything read is still sent. Prints the summary; rejects when a line was not
 * acknowledged.
 */
export async function produce(options: ProduceOptions, output: Output, { stop, onSecond }: Ending): Promise<void> {
  refuseContradictions(options);
  const lines = await linesToResume(options.resume);
  await using producer = new Producer({
    bootstrap: options.bootstrap,
    clientId,
    runtime: tellingRuntime,
    acks: options.acks,
    enableIdempotence: options.enableIdempotence,
    compression: options.codec,
    lingerMs,
    requestBytesMax: Math.max(1024 * 1024, options.lineBytesMax + 64 * 1024),
    maxBlockMs: Math.min(topicKnownMaxMs, options.deliveryTimeoutMs),
    deliveryTimeoutMs: options.deliveryTimeoutMs,
    ...(options.transactional === null ? {} : namedIn(options.transactional)),
  });
  tellWaits(producer);
  const { topic, bootstrap, partition } = options;
  const { partitionsCount, needsKey } = await targetTopic({ topic, bootstrap, clientId }, producer, stop);
  if (partition !== null && partition >= partitionsCount)
    throw new CommandFailed(`topic ${topic} has partitions 0 to ${partitionsCount - 1}, there is no ${partition}`);
  const read = underRules(readerFor(options), { headers: options.headers, partition, partitionsCount, needsKey });
  const positions = options.positionFile === null ? null : new PositionFile(options.positionFile);
  const failed = new AbortController();
  const source = await openSource(options, positions, AbortSignal.any([stop, failed.signal]));
  const saving = positions !== null && source instanceof FileFollower ? savePositions(positions, source) : null;
  if (isTyped(options)) complain("reading lines until Ctrl-D");
  // what is being typed stands where it would be drawn
  const bar = isTyped(options) ? silent : progress("sent", null);
  const abandoned = new AbortController();
  onSecond(() => abandoned.abort());
  const onWait = (waited: number) => complain(`waiting for ${formatCount(waited, "line")}; Ctrl-C again ends at once`);
  const stopping = { stop, abandoned: abandoned.signal, onWait };
  const transactions = options.transactional === null ? null : transactionsOf(producer, options.transactional);
  try {
    const onProgress = (report: ShipReport) => bar.show(report.acknowledged, figures(report));
    const onFailure = () => {
      failed.abort();
      transactions?.abandon();
    };
    const onBadLine = options.skipBad ? tellingBadLines(inputName(options)) : null;
    const shipping = { topic, read, lines, onBadLine, onProgress, onFailure, stopping };
    const plain = { send: (record: ProducerRecord) => producer.send(record), flush: () => producer.flush() };
    const report = await shipLines(source, transactions ?? plain, shipping, nodeClock).catch((error) => {
      throw explainInput(error, options);
    });
    await saving?.end();
    bar.end();
    const committed = transactions?.committed ?? null;
    await summarize(report, { ...options, lines, committed, isCutShort: stop.aborted && source.isAtEnd !== true }, output);
  } finally {
    await saving?.end();
    bar.end();
  }
}

function namedIn({ transactionalId, timeoutMs }: InTransactions) {
  return { transactionalId, transactionTimeoutMs: timeoutMs };
}

/** The lines of one transaction have room beside those of the one before. */
function transactionsOf(producer: Producer, { batch }: InTransactions): TransactionalLines {
  return new TransactionalLines(producer, batch, underWayMax.bytesMax / 2);
}

function refuseContradictions({ positionFile, follow, keepKey, keySeparator, input, nullValue, keepPartitions, resume }: ProduceOptions) {
  if (positionFile !== null && follow === null) throw new UsageError("--position-file goes with --follow only");
  if (resume !== null && follow !== null)
    throw new UsageError("--resume is for an input that is read anew; --follow goes on with --position-file");
  if (keepKey && keySeparator === null) throw new UsageError("--keep-key goes with --key-separator only");
  if (input === "json" && (keySeparator !== null || nullValue !== null))
    throw new UsageError('with --input json, a record says its key and null itself: {"key": …, "value": null}');
  if (keepPartitions && input !== "json") throw new UsageError("--keep-partitions goes with --input json only");
}

function readerFor({ input, key, keySeparator, keepKey, nullValue, keepPartitions }: ProduceOptions): ReadRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  const format = { keySeparator: bytes(keySeparator), keepKey, key: bytes(key), nullValue: bytes(nullValue) };
  if (input === "lines") return (line) => recordOfLine(line, format);
  return (line) => {
    const record = recordOfJson(line, { keepsPartition: keepPartitions });
    return record.key === null ? { ...record, key: format.key } : record;
  };
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

function inputName({ follow, file }: ProduceOptions): string {
  const path = follow ?? file;
  return path === null || path === "-" ? "standard input" : path;
}

function tellingBadLines(input: string): (line: number, error: Error) => void {
  let told = 0;
  return (line, error) => {
    told++;
    if (told <= badLinesToldMax) complain(whySkipped(line, input, error));
    if (told === badLinesToldMax) complain("more lines that are left out are only counted");
  };
}

function explainInput(error: unknown, options: ProduceOptions): unknown {
  const isInput = error instanceof Error && "syscall" in error;
  return isInput ? new CommandFailed(`${inputName(options)} cannot be read: ${explain(error)}`) : error;
}

function figures({ lines, bytes, durationMs, retried }: ShipReport): string {
  return `${formatCount(lines, "line")} (${formatBytes(bytes)}) in ${formatSeconds(durationMs)}, ${formatCount(retried, "line")} sent more than once`;
}

interface RunFacts extends ProduceOptions {
  readonly lines: LineRanges;
  /** Stopped before the input ended, as far as is known. */
  readonly isCutShort: boolean;
  /** Null: outside of transactions. */
  readonly committed: TransactionalLines["committed"] | null;
}

async function summarize(report: ShipReport, options: RunFacts, output: Output): Promise<void> {
  const { topic, json, acks, bootstrap, isCutShort, committed } = options;
  const { acknowledged, failed, inDoubt, skipped, retried, bytes, durationMs, failure, isAbandoned } = report;
  const goOn = failure !== null || isCutShort || isAbandoned ? await howToGoOn(report, options) : null;
  const reason = failure === null ? null : explain(forPeople(failure.error, bootstrap));
  if (json) {
    const seconds = Math.round(durationMs) / 1000;
    const counts = { lines: report.lines, acknowledged, failed, inDoubt, skipped, retried, bytes, seconds };
    const stoppedAt = failure === null ? { failure: null } : { failure: reason, line: failure.line };
    const inTransactions = committed === null ? {} : { committed: committed.lines, transactions: committed.transactions };
    await output.json({ topic, ...counts, ...inTransactions, ...stoppedAt, resume: goOn?.kind === "lines" ? goOn.text : null });
  } else {
    const leftOut = skipped === 0 ? "" : `, ${formatCount(skipped, "bad line")} left out`;
    const stored = acks === 0 ? "not acknowledged, as asked" : skipped === 0 ? "all acknowledged" : "all others acknowledged";
    const settled = failed > 0 ? `${formatCount(acknowledged, "line")} acknowledged` : stored;
    process.stderr.write(`${figures(report)}${leftOut}; ${committed === null ? settled : committedText(committed)}\n`);
  }
  if (goOn !== null) await tellHowToGoOn(report, reason, goOn, options, output);
}

function committedText({ lines, transactions }: TransactionalLines["committed"]): string {
  return `${formatCount(lines, "line")} committed in ${formatCount(transactions, "transaction")}`;
}

/** Throws where it is no success. */
async function tellHowToGoOn(report: ShipReport, reason: string | null, goOn: GoOn, options: RunFacts, output: Output): Promise<void> {
  const { acknowledged, failed, inDoubt, failure, isAbandoned, lastLine } = report;
  const input = inputName(options);
  if (failure !== null && reason !== null) {
    const why = whyStopped({ input, failure, reason, acknowledged, failed, inDoubt, goOn });
    if (!isAbandoned) throw new CommandFailed(why, { cause: failure.error });
    complain(why);
  } else if (isAbandoned) complain(whyAbandoned(input, report, goOn));
  if (isAbandoned) {
    await output.flushed();
    process.exit(exitInterrupted); // a producer that is closed waits for what it has sent
  }
  if (goOn.kind !== "lines" || isTyped(options)) return;
  if (options.file !== null && options.file !== "-") throw new Interrupted(whereStopped(input, lastLine, goOn));
  if (!options.json) complain(`stopped; if there is more, go on with --resume ${goOn.text}`);
}

function isTyped(options: ProduceOptions): boolean {
  return inputName(options) === "standard input" && process.stdin.isTTY === true;
}

async function howToGoOn({ lastLine, failedLines }: ShipReport, { follow, positionFile, lines }: RunFacts): Promise<GoOn> {
  if (positionFile !== null) return { kind: "position-file", path: positionFile };
  if (follow !== null) return { kind: "unknown" };
  return { kind: "lines", text: await resumeText(linesLeft(lines, lastLine, failedLines), `ottla-resume-${process.pid}.txt`) };
}
