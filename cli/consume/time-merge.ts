import type { RecordToFormat } from "../output/record-format.ts";

interface Queue<R> {
  records: R[];
  /** Those before were taken. */
  at: number;
  bytes: number;
}

/**
 * Merges partitions by timestamp. Each keeps its own order, so a record is as early as its turn allows: where timestamps go back within a
 * partition, they do so in the result.
 */
export class TimeMerge<R extends RecordToFormat> {
  readonly #queues = new Map<string, Queue<R>>();

  add(partition: string, records: readonly R[]): void {
    const queue = this.#queues.get(partition) ?? { records: [], at: 0, bytes: 0 };
    queue.records = [...queue.records.slice(queue.at), ...records];
    queue.at = 0;
    for (const record of records) queue.bytes += bytesOf(record);
    this.#queues.set(partition, queue);
  }

  bytesOf(partition: string): number {
    return this.#queues.get(partition)?.bytes ?? 0;
  }

  isEmpty(partition: string): boolean {
    const queue = this.#queues.get(partition);
    return queue === undefined || queue.at === queue.records.length;
  }

  /** The records, in order, before which nothing can come any more: until one of `awaited` is empty, or all are. */
  take(awaited: ReadonlySet<string>): R[] {
    const taken: R[] = [];
    for (const partition of awaited) if (this.isEmpty(partition)) return taken;
    for (;;) {
      const earliest = this.#earliest();
      if (earliest === null) return taken;
      const [partition, queue] = earliest;
      const record = queue.records[queue.at] as R;
      queue.at++;
      queue.bytes -= bytesOf(record);
      taken.push(record);
      if (queue.at === queue.records.length && awaited.has(partition)) return taken;
    }
  }

  #earliest(): [string, Queue<R>] | null {
    let found: [string, Queue<R>] | null = null;
    let foundMs = Number.POSITIVE_INFINITY;
    for (const [partition, queue] of this.#queues) {
      const head = queue.records[queue.at];
      if (head === undefined || (found !== null && head.timestampMs >= foundMs)) continue;
      found = [partition, queue];
      foundMs = head.timestampMs;
    }
    return found;
  }
}

/** With what keeping it costs besides. */
function bytesOf({ key, value }: RecordToFormat): number {
  return 200 + (key?.length ?? 0) + (value?.length ?? 0);
}
