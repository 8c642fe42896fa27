import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer } from "../../client/consumer/consumer.ts";
import type { ConsumerBatch } from "../../client/consumer/consumer-options.ts";
import type { AlreadyThere } from "./already-there.ts";
import type { CopyReport } from "./copy-report.ts";
import type { CopySender } from "./copy-sender.ts";

export interface CopyParts {
  readonly consumer: Consumer;
  readonly sender: CopySender;
  /** Copies that an earlier run has left behind its saved position. */
  readonly there: AlreadyThere;
  readonly report: CopyReport;
  /** Everything before these offsets of the source is stored. */
  readonly save: (sourcePositions: readonly number[]) => Promise<void>;
}

/** What a run that is killed leaves behind the saved position is at most what is sent in this time, and so many records. */
const unsaved = { maxMs: 1000, recordsMax: 200_000 };
/** Of records that an earlier run had sent and that were not stored: as many as can be under way, and some. */
const unstoredMax = 100_000;

/** Copies what the consumer reads, and saves now and then how far everything is stored. */
export class CopyRun {
  readonly #parts: CopyParts;
  /** By partition of the source: the next record to be copied. */
  readonly #positions: number[];
  /** By partition: records read while copies of an earlier run are looked for. */
  readonly #compared: number[];
  readonly #comparedMax: number;
  #savedAtMs = performance.now();
  #unsaved = 0;

  constructor(parts: CopyParts, positions: readonly number[]) {
    this.#parts = parts;
    this.#positions = [...positions];
    this.#compared = positions.map(() => 0);
    this.#comparedMax = parts.there.left + unstoredMax;
  }

  /** Resolves at the end of the source, or, with all that was read stored, after `stop` aborts. */
  async until(topic: string, stop: AbortSignal): Promise<void> {
    const { consumer, report } = this.#parts;
    await consumer.assign(this.#positions.map((offset, partition) => ({ topic, partition, from: { offset } })));
    const batches = consumer.batches();
    let next = batches.next();
    try {
      while (!stop.aborted) {
        const looked = new AbortController();
        const came = await Promise.race([next, sleep(unsaved.maxMs, null, { signal: looked.signal }).catch(() => null)]);
        looked.abort();
        if (came?.done) break;
        if (came !== null) {
          await this.#copy(came.value);
          next = batches.next();
        }
        if (this.#unsaved > 0 && (this.#unsaved >= unsaved.recordsMax || performance.now() - this.#savedAtMs >= unsaved.maxMs))
          await this.#save();
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      report.end();
      next.catch(() => {}); // it may fail with the consumer's end, which is known
    }
    this.#endComparing();
    await this.#save();
  }

  async #copy({ partition, records }: ConsumerBatch): Promise<void> {
    const { sender, there, report } = this.#parts;
    for (const record of records) {
      if (this.#isComparing && this.#takes(record)) report.found++;
      else await sender.send(record);
    }
    this.#unsaved += records.length;
    const position = (records.at(-1)?.offset ?? -1) + 1;
    report.copied = sender.acknowledged;
    report.bytes = sender.bytes;
    report.passed(Math.max(0, position - (this.#positions[partition] ?? 0)));
    this.#positions[partition] = position;
    if (there.left === 0) this.#endComparing();
  }

  get #isComparing(): boolean {
    return this.#compared.some((count) => count <= this.#comparedMax) && this.#parts.there.left > 0;
  }

  #takes(record: ConsumerBatch["records"][number]): boolean {
    const compared = (this.#compared[record.partition] ?? 0) + 1;
    this.#compared[record.partition] = compared;
    return compared <= this.#comparedMax && this.#parts.there.take(record);
  }

  #endComparing(): void {
    this.#compared.fill(Number.POSITIVE_INFINITY);
  }

  /** While copies of an earlier run are looked for, its position stays: a later run has to find these, too. */
  async #save(): Promise<void> {
    const { sender, report, save } = this.#parts;
    await sender.settle();
    report.copied = sender.acknowledged;
    report.bytes = sender.bytes;
    if (!this.#isComparing) {
      await save(this.#positions);
      report.isSaved = true;
    }
    this.#savedAtMs = performance.now();
    this.#unsaved = 0;
  }
}
