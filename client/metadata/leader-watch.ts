import type { Timer } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicPartition } from "../../protocol/base/ids.ts";
import { RequestTimedOut } from "../base/errors.ts";
import type { Cluster } from "./cluster.ts";

/** A partition for which a request was sent to a broker, and the leader epoch known then. */
export interface SentPartition extends TopicPartition {
  readonly sentToEpoch: number;
}

export interface SentRequest<P extends SentPartition> {
  readonly broker: BrokerId;
  readonly partitions: readonly P[];
  /** How long the broker may legitimately take. Milliseconds. */
  readonly waitMs: number;
}

/**
 * Watches a request to a leader that may hang: a stopped or silently cut off broker keeps its connections, so only a timeout detects it.
 * Once the answer is `slowAfterMs` late, the metadata is refreshed repeatedly, and `onMoved` is called once for each partition that another
 * broker leads by then, under a higher epoch. While the metadata names the same leader, the request continues: it may be slow for good
 * reasons. Returns a function that ends the watch.
 */
export function watchLeaders<P extends SentPartition>(cluster: Cluster, sent: SentRequest<P>, onMoved: (partition: P) => void): () => void {
  const { clock } = cluster.runtime;
  const { slowAfterMs } = cluster.settings;
  const open = new Set(sent.partitions);
  let timer: Timer | null = null;
  let unsubscribe: (() => void) | null = null;
  const check = () => {
    for (const partition of [...open]) {
      const known = cluster.metadata.partition(partition.topic, partition.partition);
      if (known === undefined || known.leader < 0 || known.leader === sent.broker || known.leaderEpoch <= partition.sentToEpoch) continue;
      open.delete(partition);
      onMoved(partition);
    }
  };
  const ask = () => {
    unsubscribe ??= cluster.metadata.onChange(check);
    check();
    if (open.size === 0 || cluster.isClosed) return;
    cluster.metadata.requestRefresh();
    timer = clock.schedule(slowAfterMs / 4, ask);
  };
  timer = clock.schedule(sent.waitMs + slowAfterMs, ask);
  return () => {
    open.clear();
    timer?.cancel();
    unsubscribe?.();
  };
}

/**
 * Runs `attempt` with a signal that aborts, and rejects with RequestTimedOut, as soon as it is late and one of its partitions has moved
 * elsewhere.
 */
export async function whileLeading<T>(
  cluster: Cluster,
  sent: SentRequest<SentPartition>,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const moved = new AbortController();
  const endWatch = watchLeaders(cluster, sent, (partition) => moved.abort(leaderMoved(sent.broker, partition)));
  try {
    return await attempt(moved.signal);
  } finally {
    endWatch();
  }
}

export function leaderMoved(broker: BrokerId, { topic, partition }: TopicPartition): RequestTimedOut {
  return new RequestTimedOut(`broker ${broker} did not answer, and does not lead ${topic}-${partition} any more`);
}
