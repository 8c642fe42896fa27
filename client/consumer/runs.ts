import type { ClientRuntime } from "../base/client-runtime.ts";
import type { ConsumerOptions, ConsumerRecord } from "./consumer-options.ts";
import { deadLettersOf } from "./dead-letters.ts";
import { BatchHandlingContext, RecordContext } from "./handling.ts";
import { Run } from "./run.ts";
import { type BatchHandler, checkRun, type RecordHandler, type RunBatchesOptions, type RunOptions, runSettings } from "./run-options.ts";
import type { RunHandler, RunSource } from "./run-parts.ts";

export interface RunsParts<K, V> {
  readonly runtime: ClientRuntime;
  readonly options: ConsumerOptions<K, V>;
  readonly source: RunSource<K, V>;
  /** Before a run. Throws where the consumer is being read otherwise. */
  readonly onBegin: () => void;
  /** After it: what was processed. Never rejects. */
  readonly commit: () => Promise<void>;
  readonly onEnd: () => void;
}

const batchRecordsMaxDefault = 500;

/** A consumer's runs, one at a time. */
export class Runs<K, V> {
  readonly #parts: RunsParts<K, V>;
  #current: Run<K, V> | null = null;

  constructor(parts: RunsParts<K, V>) {
    this.#parts = parts;
  }

  /** Null: none is under way. */
  get current(): Run<K, V> | null {
    return this.#current;
  }

  async records(options: RunOptions, handler: RecordHandler<K, V>): Promise<void> {
    checkRun("run", options, handler);
    return this.#run(options, 1, ([record], tasks, handling) =>
      handler(record as ConsumerRecord<K, V>, new RecordContext(handling, tasks)),
    );
  }

  async batches(options: RunBatchesOptions, handler: BatchHandler<K, V>): Promise<void> {
    checkRun("runBatches", options, handler);
    return this.#run(options, options.batchRecordsMax ?? batchRecordsMaxDefault, (records, tasks, handling) => {
      const { topic, partition, highWatermark } = handling.partition;
      return handler({ topic, partition, records, highWatermark }, new BatchHandlingContext(handling, tasks));
    });
  }

  async #run(options: RunOptions, recordsMax: number, handler: RunHandler<K, V>): Promise<void> {
    const { runtime, source, options: consumer, onBegin, commit, onEnd } = this.#parts;
    const settings = runSettings(options, recordsMax);
    const deadLetters = deadLettersOf(options.deadLetter, consumer);
    onBegin();
    const run = new Run({ runtime, settings, source, handler, deadLetters });
    this.#current = run;
    try {
      await run.run().finally(commit);
    } finally {
      this.#current = null;
      deadLetters?.close();
      onEnd();
    }
  }
}
