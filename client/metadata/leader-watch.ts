import type { Timer } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicPartition } from "../../protocol/base/ids.ts";
import { RequestTimedOut } from "../base/errors.ts";
import { partitionSubject } from "../base/retries.ts";
import type { Cluster } from "./cluster.ts";
import type { SentPartition } from "./leader-search.ts";
import { brokersAre } from "./no-leader.ts";

/** How often it is told that a broker has not answered yet. */
const tellAgainMs = 1_000;

export interface SentRequest<P extends SentPartition> {
  readonly broker: BrokerId;
  readonly partitions: readonly P[];
  /** How long the broker may legitimately take. Milliseconds. */
  readonly waitMs: number;
}

/**
 * Watches a request to a leader that may hang: a stopped or silently cut off broker keeps its connections, so only a timeout detects it.
 *
 * 1. Once the answer is `slowAfterMs` late, new leaders are searched for (`LeaderSearch`). While the metadata names the same leader, the
 *    request continues: it may be slow for good reasons.
 * 2. `onMoved` is called once for each partition that another broker leads by then, under a higher epoch.
 * 3. Requests that are not late yet are left behind as well when an earlier one over the same connection is: a broker answers in order.
 * 4. Who listens to the client's events is told of what is late.
 * 5. A follower that was read from in place of the leader is left as soon as it is late.
 * 6. Where the metadata names another leader for other reasons, the request is given a moment before it counts as late: a broker that is
 *    well hears of the change at about the same time, and says so.
 *
 * Returns a function that ends the watch.
 */
export function watchLeaders<P extends SentPartition>(cluster: Cluster, sent: SentRequest<P>, onMoved: (partition: P) => void): () => void {
  const { clock } = cluster.runtime;
  const { slowAfterMs } = cluster.settings;
  const open = new Set(sent.partitions);
  let isLate = false;
  let moment: Timer | null = null;
  const isElsewhere = ({ topic, partition, sentToEpoch }: P) => {
    const known = cluster.metadata.snapshot.topics.get(topic)?.partitions[partition];
    if (known === undefined || known.leader < 0 || known.leader === sent.broker) return false;
    return known.leaderEpoch > sentToEpoch || (isLate && known.leaderEpoch === sentToEpoch);
  };
  const leave = () => {
    for (const partition of [...open]) {
      if (!isElsewhere(partition)) continue;
      open.delete(partition);
      onMoved(partition);
    }
  };
  const check = () => {
    if (moment !== null || ![...open].some(isElsewhere)) return;
    if (isLate || cluster.pool.isSilent(sent.broker)) return leave();
    moment = clock.schedule(slowAfterMs / 5, () => {
      moment = null;
      leave();
    });
  };
  const sentAtMs = clock.monotonicMs();
  let timer = clock.schedule(sent.waitMs + slowAfterMs, () => {
    isLate = true;
    leave();
    if (open.size === 0) return;
    cluster.search.until(() => open.size === 0);
    tell();
  });
  const tell = () => {
    if (open.size === 0) return;
    tellLate(cluster, sent.broker, open, sentAtMs);
    timer = clock.schedule(tellAgainMs, tell);
  };
  const unsubscribe = cluster.metadata.onChange(check);
  return () => {
    open.clear();
    timer.cancel();
    moment?.cancel();
    unsubscribe();
  };
}

function tellLate({ retries, metadata }: Cluster, broker: BrokerId, late: Iterable<SentPartition>, sinceMs: number): void {
  if (!retries.areWatched) return;
  const { brokers } = metadata.snapshot;
  for (const { topic, partition, deadlineMs } of late) {
    const { isr = [] } = metadata.snapshot.topics.get(topic)?.partitions[partition] ?? {};
    // a leader does not acknowledge before every in-sync replica has it, or has left the set
    const gone = isr.filter((id) => id !== broker && !brokers.has(id));
    const why = gone.length === 0 ? "" : `; of its in-sync replicas, ${brokersAre(gone, "not there")}`;
    const error = new RequestTimedOut(`broker ${broker} does not answer${why}`);
    retries.waits(partitionSubject(topic, partition), error, { sinceMs, ...(deadlineMs === undefined ? {} : { deadlineMs }) });
  }
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
