import { Worker } from "node:worker_threads";
import { CommandFailed, UsageError } from "../../output/command-failed.ts";
import { complain } from "../../output/complaints.ts";
import { type RecordToFormat, recordAsJson } from "../../output/record-format.ts";
import { formatCount } from "../../output/units.ts";
import type { FilterReply, FilterStart } from "./filter-messages.ts";

/** For one record. An expression that needs more is a mistake. */
const timeLimitMs = 1000;
/** The engine ends what takes too long by itself; a worker that has not moved on by then is ended with it. */
const hungAfterMs = timeLimitMs + 2000;
const hungLookMs = 250;
const startMaxMs = 10_000;
/** Records that are sent to the worker together. */
const together = { recordsMax: 500, bytesMax: 1024 * 1024 };

/** Lets records through for which a JavaScript expression holds. It is evaluated in a worker that has nothing but the record. */
export class RecordFilter implements Disposable {
  readonly #worker: Worker;
  readonly #begun = new Int32Array(new SharedArrayBuffer(4));
  #failed = 0;

  private constructor(expression: string) {
    const start: FilterStart = { expression, timeLimitMs, begun: this.#begun.buffer as SharedArrayBuffer };
    // in a checkout the sources, in the package a program beside ours (deploy/bundle.mjs)
    const file = import.meta.url.endsWith(".ts") ? "./filter-worker.ts" : "./filter-worker.js";
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: start, env: {}, stdin: false });
    this.#worker.unref();
  }

  /** Throws UsageError for what is no expression. */
  static async start(expression: string): Promise<RecordFilter> {
    const filter = new RecordFilter(expression);
    const reply = await filter.#reply(startMaxMs, () => false);
    if (reply.kind === "ready") return filter;
    filter[Symbol.dispose]();
    throw new UsageError(`--filter is no JavaScript expression: ${reply.kind === "refused" ? reply.reason : "nothing came of it"}`);
  }

  async select<R extends RecordToFormat>(records: readonly R[]): Promise<R[]> {
    const selected: R[] = [];
    for (const chunk of chunksOf(records)) {
      const texts = chunk.map((record) => JSON.stringify(recordAsJson(record)));
      const begunBefore = Atomics.load(this.#begun, 0);
      let seen = begunBefore;
      this.#worker.postMessage({ records: `[${texts.join(",")}]`, count: chunk.length });
      const hasMoved = () => {
        const now = Atomics.load(this.#begun, 0);
        const moved = now !== seen;
        seen = now;
        return moved;
      };
      const reply = await this.#reply(hungAfterMs, hasMoved).catch((error) => {
        const record = chunk[Math.max(0, seen - begunBefore - 1)];
        throw error instanceof CommandFailed && record !== undefined
          ? new CommandFailed(`the filter was ended at ${placeOf(record)}: ${error.message}`)
          : error;
      });
      if (reply.kind !== "judged") throw overrun(reply, chunk);
      for (const { index, message } of reply.errors) this.#tellOf(chunk[index], message);
      selected.push(...chunk.filter((_, index) => reply.passes[index]));
    }
    return selected;
  }

  /** For how many records the expression threw. */
  summary(): string | null {
    return this.#failed === 0 ? null : `the filter failed for ${formatCount(this.#failed, "record")}: they were left out`;
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate();
  }

  #tellOf(record: RecordToFormat | undefined, message: string): void {
    this.#failed++;
    if (this.#failed > 1 || record === undefined) return;
    complain(`the filter failed for ${placeOf(record)}, which is left out: ${message}; others are only counted`);
  }

  /** The next message of the worker, which is ended when it does not move on for `maxMs`. */
  #reply(maxMs: number, hasMoved: () => boolean): Promise<FilterReply> {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      let stillMs = 0;
      const timer = setInterval(() => {
        stillMs = hasMoved() ? 0 : stillMs + hungLookMs;
        if (stillMs < maxMs) return;
        settle(() => reject(new CommandFailed(`it took longer than ${maxMs} ms, and could not be interrupted`)));
        void worker.terminate();
      }, hungLookMs);
      const onMessage = (reply: FilterReply) => settle(() => resolve(reply));
      const onError = (error: Error) => settle(() => reject(new CommandFailed(`it broke: ${error.message}`, { cause: error })));
      const onExit = () => settle(() => reject(new CommandFailed("its worker ended")));
      const settle = (how: () => void) => {
        clearInterval(timer);
        worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        how();
      };
      worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    });
  }
}

function overrun(reply: FilterReply, chunk: readonly RecordToFormat[]): CommandFailed {
  if (reply.kind !== "overran") return new CommandFailed("the filter gave no answer");
  const record = chunk[reply.index];
  return new CommandFailed(`the filter was ended at ${record === undefined ? "a record" : placeOf(record)}: ${reply.reason}`);
}

function placeOf({ topic, partition, offset }: RecordToFormat): string {
  return `${topic}-${partition}@${offset}`;
}

function* chunksOf<R extends RecordToFormat>(records: readonly R[]): Generator<R[]> {
  let chunk: R[] = [];
  let bytes = 0;
  for (const record of records) {
    chunk.push(record);
    bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (chunk.length < together.recordsMax && bytes < together.bytesMax) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}
