import { positive } from "../base/client-options.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { instead, type OptionNames, unknownOption } from "../base/known-options.ts";
import { groupOptionNames } from "../group/group-options.ts";
import type { ConsumerBatch, ConsumerRecord } from "./consumer-options.ts";
import type { DeadLetterOptions } from "./dead-letters.ts";

/** How `run` and `runBatches` handle records. */
export interface HandlingOptions {
  /** Handlers that run at the same time. Default 1. */
  readonly concurrency?: number;
  /**
   * Records taken and not handled yet, all partitions together; each partition has an equal share of it, and one record in any case.
   * Counted from the oldest record of the partition that is not handled yet, so one that takes long, or is tried again, holds back those
   * far behind it. Default 10,000.
   */
  readonly pendingRecordsMax?: number;
  /** The same in bytes of keys, values and headers. Default 32 MiB, beyond what was fetched and not taken (`prefetchBytesMax`). */
  readonly pendingBytesMax?: number;
  /** How often a handler that throws is called again. Default 0; Infinity is possible. */
  readonly retries?: number;
  /** The pause before the first of these; it doubles with each, with some jitter. Milliseconds; default 1,000. */
  readonly retryDelayMs?: number;
  /** The longest such pause. Milliseconds; default 30,000. */
  readonly retryDelayMaxMs?: number;
  /** Where records go whose handler has failed for the last time. Default: nowhere, the run ends with the handler's error. */
  readonly deadLetter?: DeadLetterOptions;
  /**
   * How long handlers are waited for when their partitions are reassigned, or the run ends. Then they are told by their signal, and what
   * they have not finished is not committed. Below `maxPollIntervalMs`. Milliseconds; default 20,000.
   */
  readonly drainTimeoutMs?: number;
  /** Ends the run when aborted: handlers that run are waited for, what was processed is committed. The consumer stays open. */
  readonly signal?: AbortSignal;
}

export interface RunOptions extends HandlingOptions {
  /**
   * What is handled in order, one record at a time: a partition, or the records of one key in it. Records without a key then have no order.
   * Default "partition".
   */
  readonly orderBy?: "partition" | "key";
}

export interface RunBatchesOptions extends HandlingOptions {
  /** Records in one batch, at most. Default 500. */
  readonly batchRecordsMax?: number;
}

/** What a handler is told beside its record. */
export interface HandlingContext {
  /** 1 for the first time. */
  readonly attempt: number;
  /**
   * Aborts when nobody waits for the handler any more: its partition went to another member, or `drainTimeoutMs` is over. Whatever it does
   * from then on, the record is handed out again, perhaps to another member.
   */
  readonly signal: AbortSignal;
}

/** What a handler is told beside its batch. */
export interface BatchContext extends HandlingContext {
  /** Everything in the batch up to this offset, inclusive, is done: it may be committed, and is not handed out again if the rest fails. */
  processed(offset: number): void;
}

export type RecordHandler<K = Buffer, V = Buffer> = (record: ConsumerRecord<K, V>, context: HandlingContext) => void | Promise<void>;
export type BatchHandler<K = Buffer, V = Buffer> = (batch: ConsumerBatch<K, V>, context: BatchContext) => void | Promise<void>;

export interface RunSettings {
  readonly concurrency: number;
  readonly isOrderedByKey: boolean;
  readonly batchRecordsMax: number;
  readonly pendingRecordsMax: number;
  readonly pendingBytesMax: number;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly retryDelayMaxMs: number;
  readonly drainTimeoutMs: number;
  readonly signal: AbortSignal | null;
}

const handlingOptionNames: OptionNames<HandlingOptions> = {
  concurrency: true,
  pendingRecordsMax: true,
  pendingBytesMax: true,
  retries: true,
  retryDelayMs: true,
  retryDelayMaxMs: true,
  deadLetter: true,
  drainTimeoutMs: true,
  signal: true,
};
const runOptionNames: OptionNames<RunOptions> = { ...handlingOptionNames, orderBy: true };
const runBatchesOptionNames: OptionNames<RunBatchesOptions> = { ...handlingOptionNames, batchRecordsMax: true };

/** Throws InvalidArgument for options that would have no effect, without a word, and for what is no handler. */
export function checkRun(call: "run" | "runBatches", options: unknown, handler: unknown): void {
  const [known, client] = call === "run" ? [runOptionNames, "Run"] : [runBatchesOptionNames, "RunBatches"];
  const form = `${call}({ concurrency: 4 }, async (${call === "run" ? "record" : "batch"}) => { … })`;
  if (typeof options !== "object" || options === null)
    throw new InvalidArgument(`the options of ${call} are ${kindOf(options)}: it is ${form}`);
  const unknown = unknownOption(options, known);
  if (unknown === "eachMessage" || unknown === "eachBatch")
    throw new InvalidArgument(`${call} has no option ${unknown}: the handler comes after the options, ${form}`);
  if (unknown !== null && Object.hasOwn(groupOptionNames, unknown))
    throw new InvalidArgument(`${call} has no option ${unknown}: that is an option of the Consumer`);
  if (unknown !== null) throw new InvalidArgument(`${call} has no option ${unknown.slice(0, 100)}${instead(client, unknown, known)}`);
  if (typeof handler !== "function") throw new InvalidArgument(`the handler of ${call} is ${kindOf(handler)}: it is ${form}`);
}

/** With `batchRecordsMax` 1: for a handler of single records. */
export function runSettings(options: RunOptions, batchRecordsMax: number): RunSettings {
  const { orderBy = "partition", retryDelayMs = 1_000 } = options;
  if (orderBy !== "partition" && orderBy !== "key") throw new InvalidArgument(`orderBy is ${orderBy}: partition and key are possible`);
  const settings: RunSettings = {
    concurrency: whole("concurrency", options.concurrency ?? 1),
    isOrderedByKey: orderBy === "key",
    batchRecordsMax: whole("batchRecordsMax", batchRecordsMax),
    pendingRecordsMax: positive("pendingRecordsMax", options.pendingRecordsMax ?? 10_000),
    pendingBytesMax: positive("pendingBytesMax", options.pendingBytesMax ?? 32 * 1024 * 1024),
    retries: options.retries === Number.POSITIVE_INFINITY ? options.retries : positive("retries", options.retries ?? 0, 0),
    retryDelayMs: positive("retryDelayMs", retryDelayMs, 0),
    retryDelayMaxMs: positive("retryDelayMaxMs", options.retryDelayMaxMs ?? Math.max(30_000, retryDelayMs), 0),
    drainTimeoutMs: positive("drainTimeoutMs", options.drainTimeoutMs ?? 20_000, 0),
    signal: options.signal ?? null,
  };
  if (settings.retryDelayMaxMs < settings.retryDelayMs) throw new InvalidArgument("retryDelayMaxMs is below retryDelayMs");
  return settings;
}

function whole(name: string, value: number): number {
  if (!Number.isInteger(value)) throw new InvalidArgument(`${name} is ${value}, a whole number is needed`);
  return positive(name, value);
}
