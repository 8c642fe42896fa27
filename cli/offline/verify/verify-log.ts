import {
  type BelievedGaps,
  type FileSystem,
  fileNames,
  fromStart,
  LeaderEpochs,
  type ProducerRow,
  parseSegmentFileName,
  readBelievedGaps,
  readDamage,
  type SegmentFileKind,
  type SegmentSizes,
  segmentPath,
  snapshotPath,
} from "../../../broker/disk-format.ts";
import { explain } from "../../output/command-failed.ts";
import { dumpLeaderEpochs, dumpPartitionMetadata } from "../dump/dump-text.ts";
import type { CheckpointedOffsets } from "./check-checkpoints.ts";
import { EpochsCheck } from "./check-epochs.ts";
import { OffsetIndexCheck, TimeIndexCheck } from "./check-index.ts";
import { OffsetsCheck } from "./check-offsets.ts";
import { ProducersCheck } from "./check-producers.ts";
import { TransactionsCheck } from "./check-transactions.ts";
import { FaultsOfFile, type Finding, findingIn } from "./finding.ts";
import { tellOfLeftovers } from "./leftovers.ts";
import { readSnapshots } from "./read-snapshots.ts";
import { readSmallFile, tellDamage } from "./small-files.ts";
import { verifyCleanStop } from "./verify-clean-stop.ts";
import { verifySegment } from "./verify-segment.ts";

/** A log as described by its folder and its log directory. */
export interface LogToVerify {
  readonly folder: string;
  readonly checkpointed: CheckpointedOffsets;
  /** The topic's cleanup.policy has `compact`, as far as can be known here. */
  readonly isCompacted: boolean;
  readonly lastStop: LastStop;
  /** Its directory is Ottla's: segments join. In one of Kafka's, compaction leaves gaps between them. */
  readonly segmentsJoin: boolean;
}

export interface LastStop {
  readonly isClean: boolean;
  /** The log's segments' files when it was closed, as far as that is known. */
  readonly closed: readonly SegmentSizes[];
}

export interface LogTotals {
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly sizeInBytes: number;
  /** Of the first segment; the log itself may start later. */
  readonly startOffset: number;
  readonly endOffset: number;
}

export interface VerifyOptions {
  readonly deep: boolean;
  /** Producers whose last batch is older may be missing in snapshots. */
  readonly expiredBeforeMs: number;
  readonly tell: (finding: Finding) => void;
  /** Bytes of segments checked. */
  readonly advanced: (bytes: number) => void;
  /** Awaited after each segment: the findings so far are consumed by then. */
  readonly taken: () => Promise<void>;
}

/** Reads all files of one log and reports what is wrong with them. */
export async function verifyLog(files: FileSystem, log: LogToVerify, options: VerifyOptions): Promise<LogTotals> {
  const names = await files.list(log.folder);
  const bases = segmentBases(names);
  tellOfStrays(log.folder, names, new Set(bases), options.tell);
  await verifyMetadata(files, log.folder, options.tell);
  await verifyCleanStop(files, log.folder, fromStart(log.lastStop.closed, log.checkpointed.startOffset ?? 0), options.tell);
  const known = await readDamage(files, log.folder);
  if (known !== null)
    options.tell(
      findingIn(known.path, { position: known.position, offset: known.offset, reason: `the broker found it damaged: ${known.reason}` }),
    );
  const epochs = await readEpochs(files, log, options.tell);
  const snapshots = await readSnapshots(files, log.folder, names, options.tell);
  const believedGaps = log.segmentsJoin ? await readBelievedGaps({ files }, log.folder) : null;
  const run = new LogRun(files, log, options, { epochs, snapshots, firstOffset: bases[0] ?? 0, believedGaps });
  for (const [index, base] of bases.entries()) await run.segment(base, { isLast: index === bases.length - 1 });
  return run.end();
}

function segmentBases(names: readonly string[]): number[] {
  return names
    .map(parseSegmentFileName)
    .flatMap((parsed) => (parsed?.kind === "log" ? [parsed.baseOffset] : []))
    .sort((a, b) => a - b);
}

function tellOfStrays(folder: string, names: readonly string[], bases: ReadonlySet<number>, tell: (finding: Finding) => void): void {
  tellOfLeftovers(folder, names, tell);
  for (const name of names) {
    const segment = parseSegmentFileName(name);
    if (segment !== null && !bases.has(segment.baseOffset))
      tell(findingIn(`${folder}/${name}`, { kind: "note", reason: "an index without its segment; the next start removes it" }));
  }
}

async function verifyMetadata(files: FileSystem, folder: string, tell: (finding: Finding) => void): Promise<void> {
  const path = `${folder}/${fileNames.partitionMetadata}`;
  const content = await readSmallFile(files, path, tell);
  if (content !== null) tellDamage(path, dumpPartitionMetadata(content), tell);
}

/** Null when `leader-epoch-checkpoint` is damaged or missing: the next start finds the epochs in the batches. */
async function readEpochs(files: FileSystem, { folder }: LogToVerify, tell: (finding: Finding) => void): Promise<LeaderEpochs | null> {
  const path = `${folder}/${fileNames.leaderEpochs}`;
  const content = await readSmallFile(files, path, tell);
  if (content === null) return null;
  if (content.length === 0) return new LeaderEpochs(); // as Kafka creates it
  return tellDamage(path, dumpLeaderEpochs(content), tell) ? LeaderEpochs.decode(content) : null;
}

interface KnownOfLog {
  readonly epochs: LeaderEpochs | null;
  readonly snapshots: ReadonlyMap<number, readonly ProducerRow[]>;
  readonly firstOffset: number;
  readonly believedGaps: BelievedGaps | null;
}

/** One pass over a log's segments. */
class LogRun {
  readonly #files: FileSystem;
  readonly #log: LogToVerify;
  readonly #options: VerifyOptions;
  readonly #offsets: OffsetsCheck;
  readonly #epochs: EpochsCheck;
  readonly #epochFaults: FaultsOfFile;
  readonly #producers: ProducersCheck;
  readonly #transactions: TransactionsCheck;
  readonly #firstOffset: number;
  #totals = { segments: 0, batches: 0, records: 0, sizeInBytes: 0 };

  constructor(files: FileSystem, log: LogToVerify, options: VerifyOptions, { epochs, snapshots, firstOffset, believedGaps }: KnownOfLog) {
    const { checkpointed, isCompacted, lastStop } = log;
    this.#files = files;
    this.#log = log;
    this.#options = options;
    this.#offsets = new OffsetsCheck({ cleanedTo: checkpointed.cleanedTo ?? 0, isCompacted, believedGaps });
    this.#epochs = new EpochsCheck({ checkpoint: epochs, startOffset: checkpointed.startOffset ?? 0, stoppedCleanly: lastStop.isClean });
    this.#firstOffset = firstOffset;
    this.#producers = new ProducersCheck({
      snapshots,
      firstOffset,
      expiredBeforeMs: options.expiredBeforeMs,
      stoppedCleanly: lastStop.isClean,
      tell: (offset, fault) => options.tell(findingIn(snapshotPath(log.folder, offset), fault)),
    });
    this.#transactions = new TransactionsCheck({ rows: snapshots.get(firstOffset) ?? [], firstOffset, isCompacted });
    // where the cleaner ran, the last batches that a snapshot refers to may be gone
    if (isCompacted) this.#producers.unsure();
    this.#epochFaults = new FaultsOfFile(`${log.folder}/${fileNames.leaderEpochs}`, options.tell);
  }

  async segment(baseOffset: number, { isLast }: { readonly isLast: boolean }): Promise<void> {
    const path = segmentPath(this.#log.folder, baseOffset, "log");
    const faults = new FaultsOfFile(path, this.#options.tell);
    const gaps = this.#offsets.segment(baseOffset);
    for (const gap of gaps) faults.add(gap);
    if (gaps.length > 0) this.#unsure();
    const [offsetFaults, timeFaults] = [this.#indexFaults(baseOffset, "index"), this.#indexFaults(baseOffset, "timeindex")];
    const abortedFaults = this.#indexFaults(baseOffset, "txnindex");
    const aborted = await readSmallFile(this.#files, segmentPath(this.#log.folder, baseOffset, "txnindex"), this.#options.tell);
    const isRebuilt = isLast && !this.#log.lastStop.isClean;
    this.#transactions.segment(baseOffset, { content: aborted, isRebuilt, tell: abortedFaults.add });
    try {
      const file = await this.#files.open(path, "read");
      try {
        const isEmpty = (await file.size()) === 0;
        const [offsets, times] = [await this.#index(baseOffset, "index", isEmpty), await this.#index(baseOffset, "timeindex", isEmpty)];
        const totals = await verifySegment(
          file,
          {
            offsets: this.#offsets,
            epochs: this.#epochs,
            offsetIndex: offsets === null ? null : new OffsetIndexCheck(offsets, baseOffset, offsetFaults.add),
            timeIndex: times === null ? null : new TimeIndexCheck(times, baseOffset, timeFaults.add),
            producers: this.#producers,
            transactions: this.#transactions,
          },
          {
            ...this.#options,
            isComplete: !isLast,
            tornTail: isLast && !this.#log.lastStop.isClean ? " (the last stop was not clean: the next start cuts the log here)" : "",
            tell: faults.add,
            tellEpochs: this.#epochFaults.add,
          },
        );
        this.#add(totals);
      } finally {
        await file.close();
      }
    } catch (error) {
      faults.add({ reason: `it cannot be read: ${explain(error)}` });
      this.#offsets.unreadable();
      this.#unsure();
    }
    for (const all of [faults, offsetFaults, timeFaults, abortedFaults]) all.end();
    await this.#options.taken();
  }

  end(): LogTotals {
    const startOffset = this.#firstOffset;
    const endOffset = this.#offsets.endOffset ?? startOffset;
    for (const fault of this.#epochs.end(endOffset)) this.#epochFaults.add(fault);
    this.#epochFaults.end();
    this.#producers.end(endOffset);
    return { ...this.#totals, startOffset, endOffset };
  }

  #unsure(): void {
    this.#producers.unsure();
    this.#transactions.unsure();
  }

  #indexFaults(baseOffset: number, kind: SegmentFileKind): FaultsOfFile {
    return new FaultsOfFile(segmentPath(this.#log.folder, baseOffset, kind), this.#options.tell);
  }

  /** Null when there is nothing to check. Kafka creates the indexes of an empty segment only when it writes to it. */
  async #index(baseOffset: number, kind: SegmentFileKind, isEmpty: boolean): Promise<Buffer | null> {
    const path = segmentPath(this.#log.folder, baseOffset, kind);
    const content = await readSmallFile(this.#files, path, this.#options.tell);
    if (content === null && !isEmpty && !(await this.#files.exists(path)))
      this.#options.tell(findingIn(path, { reason: "it is missing; the broker rebuilds it when it needs it" }));
    return content;
  }

  #add({ batches, records, sizeInBytes }: { readonly batches: number; readonly records: number; readonly sizeInBytes: number }): void {
    const before = this.#totals;
    this.#totals = {
      segments: before.segments + 1,
      batches: before.batches + batches,
      records: before.records + records,
      sizeInBytes: before.sizeInBytes + sizeInBytes,
    };
  }
}
