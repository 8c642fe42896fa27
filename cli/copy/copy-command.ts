import { Admin } from "../../client/admin/admin.ts";
import { Consumer } from "../../client/consumer/consumer.ts";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { Producer } from "../../client/producer/producer.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { complain, tellingRuntime } from "../output/complaints.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { formatCount } from "../output/units.ts";
import { AlreadyThere } from "./already-there.ts";
import { type CopyEnd, type CopyTarget, findSource, findTarget, startOffsets } from "./copy-ends.ts";
import { type CopyPosition, CopyPositionFile } from "./copy-position.ts";
import { CopyReport } from "./copy-report.ts";
import { CopyRun } from "./copy-run.ts";
import { CopySender } from "./copy-sender.ts";

export interface CopyOptions {
  readonly from: string;
  readonly to: string;
  readonly bootstrap: readonly string[];
  readonly toBootstrap: readonly string[];
  /** Where to begin when no position is known. */
  readonly start: StartPosition;
  readonly keepsPartitions: boolean;
  /** Go on with what comes, instead of ending where the source ended at the start. */
  readonly follows: boolean;
  readonly positionFile: string | null;
  readonly codec: CompressionCodec;
  readonly deliveryTimeoutMs: number;
}

const clientId = "ottla-copy";
/** Largest record, and largest request. */
const requestBytesMax = 64 * 1024 * 1024;
/** Records behind the saved position that are compared; more is no longer the work of a second. */
const comparedMax = 1_000_000;
const asTheyAre = { deserialize: (bytes: Buffer) => bytes };

/** Copies records until the source's ends are reached or `stop` aborts; what was read by then is stored. */
export async function copy(options: CopyOptions, stop: AbortSignal): Promise<CopyReport> {
  const { bootstrap, toBootstrap, keepsPartitions, codec, deliveryTimeoutMs } = options;
  const common = { clientId, runtime: tellingRuntime };
  await using sourceAdmin = tellWaits(new Admin({ ...common, bootstrap, signal: stop }));
  await using targetAdmin = tellWaits(new Admin({ ...common, bootstrap: toBootstrap, signal: stop }));
  const source = await findSource(sourceAdmin, options.from);
  const target = await findTarget(targetAdmin, options.to, source, keepsPartitions);
  const file = options.positionFile === null ? null : new CopyPositionFile(options.positionFile);
  const saved = (await file?.read({ source: identityOf(source), target: identityOf(target), keepsPartitions })) ?? null;
  const there = new AlreadyThere({ partition: keepsPartitions, timestamp: target.keepsTimestamps });
  if (saved !== null) await addSince(saved, target, there, toBootstrap, stop);
  const from = await startOffsets(sourceAdmin, source, options.start);
  const positions = source.ends.map((_, partition) => saved?.sourcePositions[partition] ?? from[partition] ?? 0);
  await using producer = new Producer({
    ...common,
    bootstrap: toBootstrap,
    compression: codec,
    requestBytesMax,
    deliveryTimeoutMs,
    allowAutoTopicCreation: false,
  });
  tellWaits(producer);
  await using consumer = tellWaits(new Consumer({ ...reading, bootstrap, stopAtEnd: !options.follows, signal: stop }));
  const sender = new CopySender(producer, { topic: target.topic, keepsPartitions, ends: target.ends });
  const total = options.follows
    ? null
    : source.ends.reduce((sum, end, partition) => sum + Math.max(0, end - (positions[partition] ?? 0)), 0);
  const report = new CopyReport(total, () => performance.now());
  const save = async (sourcePositions: readonly number[]) =>
    file?.write({ source: identityOf(source), target: identityOf(target), keepsPartitions, sourcePositions, targetEnds: sender.ends });
  if (saved === null) await save(positions); // a run that is killed before it saves anything leaves copies, too
  const run = new CopyRun({ consumer, sender, there, report, save }, positions);
  await run.until(source.topic, stop);
  return report;
}

const reading = {
  clientId,
  runtime: tellingRuntime,
  keySerde: asTheyAre,
  valueSerde: asTheyAre,
  offsetReset: "earliest",
} as const;

function identityOf({ cluster, topic, topicId }: CopyEnd) {
  return { cluster, topic, topicId };
}

/** What the target has got since the position was saved. */
async function addSince(
  { targetEnds }: CopyPosition,
  { topic, starts, ends }: CopyTarget,
  there: AlreadyThere,
  bootstrap: readonly string[],
  stop: AbortSignal,
): Promise<void> {
  const ranges = ends.map((end, partition) => ({ from: Math.max(targetEnds[partition] ?? 0, starts[partition] ?? 0), end, partition }));
  const grown = ranges.filter(({ from, end }) => from < end);
  const count = grown.reduce((sum, { from, end }) => sum + end - from, 0);
  if (count > comparedMax)
    throw new CommandFailed(
      `${topic} has got ${formatCount(count, "record")} since the position was saved, more than can be compared: others write to it`,
    );
  if (count === 0) return;
  await using consumer = tellWaits(new Consumer({ ...reading, bootstrap, stopAtEnd: true, signal: stop }));
  await consumer.assign(grown.map(({ partition, from }) => ({ topic, partition, from: { offset: from } })));
  for await (const { records } of consumer.batches()) for (const record of records) there.add(record);
  stop.throwIfAborted();
  complain(
    `${formatCount(there.left, "record")} came to ${topic} after the position was saved: those that are copies are not copied again`,
  );
}
