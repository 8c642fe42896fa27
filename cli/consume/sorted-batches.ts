import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer } from "../../client/consumer/consumer.ts";
import type { AssignmentState, ConsumerRecord } from "../../client/consumer/consumer-options.ts";
import { TimeMerge } from "./time-merge.ts";

/** All partitions together. */
const heldMaxBytes = 256 * 1024 * 1024;
const heldOfOne = { minBytes: 256 * 1024, maxBytes: 8 * 1024 * 1024 };
/** How often to look whether a partition has reached its end. */
const lookMs = 100;

/**
 * A consumer's records by timestamp over its partitions. A partition is waited for while it is known to have more; one that holds many
 * records back is paused. One that goes on, and whose end is reached, is not waited for.
 */
export async function* sortedBatches(consumer: Consumer): AsyncGenerator<readonly ConsumerRecord[]> {
  const merge = new TimeMerge<ConsumerRecord>();
  const count = Math.max(1, consumer.assignment().length);
  const heldMax = Math.max(heldOfOne.minBytes, Math.min(heldOfOne.maxBytes, heldMaxBytes / count));
  const batches = consumer.batches();
  let next = batches.next();
  try {
    for (;;) {
      const looked = new AbortController();
      const came = await Promise.race([next, sleep(lookMs, null, { signal: looked.signal }).catch(() => null)]);
      looked.abort();
      if (came?.done) break;
      const states = consumer.assignment();
      if (came !== null) {
        const { topic, partition, records } = came.value;
        const name = nameOf({ topic, partition });
        merge.add(name, records);
        if (merge.bytesOf(name) > heldMax) consumer.pause([{ topic, partition }]);
        // it may take the next batch at once, and its partition then seems to have no more: so only now, with the states looked at
        next = batches.next();
      }
      const ready = merge.take(new Set(states.filter(hasMore).map(nameOf)));
      if (ready.length > 0) yield ready;
      consumer.resume(consumer.assignment().filter((state) => state.isPaused && merge.bytesOf(nameOf(state)) < heldMax / 2));
    }
    yield merge.take(new Set());
  } finally {
    await batches.return?.();
  }
}

function hasMore({ until, position, lag }: AssignmentState): boolean {
  return until === null ? lag !== 0 : position < until;
}

function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}
