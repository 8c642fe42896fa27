import type { Log } from "../../broker/log/log-contract.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { batchesOf, type CrashEvent, type CrashTopic, keyAt, valueAt } from "./workload.ts";

/** What a log must hold after a crash, as its writer told of it. */
export class LogExpectation {
  readonly #topic: CrashTopic;
  /** At least up to there, at most up to here. */
  #endMin = 0;
  #endMax = 0;
  #startMin = 0;
  #startMax = 0;

  constructor(topic: CrashTopic) {
    this.#topic = topic;
  }

  get endMin(): number {
    return this.#endMin;
  }

  /** `lost`: what was written, but not flushed, may be gone (a loss of power). */
  note({ kind, offset }: CrashEvent, { lost }: { readonly lost: boolean }): void {
    if (kind === "appending") this.#endMax = Math.max(this.#endMax, offset);
    else if (kind === "moving") this.#startMax = Math.max(this.#startMax, offset);
    else if (kind === "moved") this.#startMin = Math.max(this.#startMin, offset);
    else if (kind === "flushed" || !lost) this.#endMin = Math.max(this.#endMin, offset);
  }

  /** Rejects with what is wrong. From then on the log as it is counts. */
  async check(log: Log): Promise<void> {
    const { startOffset, endOffset } = log;
    const inBounds = (what: string, value: number, min: number, max: number) => {
      if (value < min || value > max) throw new Error(`${this.#topic}: the log's ${what} is ${value}, between ${min} and ${max} was to be`);
    };
    inBounds("end", endOffset, Math.max(this.#endMin, this.#startMin), this.#endMax);
    inBounds("start", startOffset, this.#startMin, this.#startMax);
    const found = new Set<number>();
    for (const { bytes } of await batchesOf(log)) {
      for (const { offset, key, value } of decodeBatch(bytes, 0, { decompress: decompressRecords })) {
        if (String(key) !== keyAt(offset) || String(value) !== valueAt(this.#topic, offset))
          throw new Error(`${this.#topic}: offset ${offset} has ${key} and ${value}`);
        found.add(offset);
      }
    }
    const newestByKey = new Map<string, number>();
    for (let offset = startOffset; offset < endOffset; offset++) newestByKey.set(keyAt(offset), offset);
    for (let offset = startOffset; offset < endOffset; offset++) {
      const mayBeGone = this.#topic === "table" && newestByKey.get(keyAt(offset)) !== offset;
      if (!found.has(offset) && !mayBeGone)
        throw new Error(`${this.#topic}: offset ${offset} of ${startOffset} to ${endOffset} is missing`);
    }
    this.#endMin = this.#endMax = endOffset;
    this.#startMin = this.#startMax = startOffset;
  }
}
