import { type BrokerId, partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { ReplicaName } from "../../protocol/peer/messages.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import { type PeerHandler, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";

/** More are not looked up for one request: it would take too much of a turn of the event loop. */
const partitionsMax = 10_000;

/** Where the committed records of partitions led here end. */
export function committedEndsHandler(
  leaderOf: (topicId: TopicId, partition: number) => { readonly state: { readonly highWatermark: number } } | string,
): PeerHandler<"committed-ends"> {
  return async ({ partitions }) => {
    const ends = partitions.slice(0, partitionsMax).map(({ topicId, partition }) => {
      const leader = leaderOf(topicId, partition);
      return typeof leader === "string" ? -1 : leader.state.highWatermark;
    });
    return { body: { ends } };
  };
}

/** A broker that is slower is left out: whoever asks for metrics does not wait for it. */
const answerMaxMs = 1_000;

export interface CommittedEndsParts {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  readonly peers: PeerRequester;
}

/** Asks the leaders of these partitions, all at the same time. By `topic-3`, without those that are not known now. */
export async function askCommittedEnds(
  { brokerId, image, peers }: CommittedEndsParts,
  partitions: readonly TopicPartition[],
): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  const { topics, brokers } = image();
  const byLeader = Map.groupBy(partitions, ({ topic, partition }) => topics.get(topic)?.partitions[partition]?.leader ?? -1);
  const asked = [...byLeader].map(async ([leader, led]) => {
    const peer = brokers.get(leader)?.peer;
    if (peer === undefined) return;
    const names = led.map(({ topic, partition }): ReplicaName => ({ topicId: topics.get(topic)?.id ?? "", partition }));
    const options = { timeoutMs: answerMaxMs, lane: "figures" } as const;
    const { body } = await peers.request(peer, "committed-ends", { brokerId, partitions: names }, options);
    for (const [at, { topic, partition }] of led.entries()) {
      const end = body.ends[at] ?? -1;
      if (end >= 0) ends.set(partitionKey(topic, partition), end);
    }
  });
  for (const outcome of await Promise.allSettled(asked))
    if (outcome.status === "rejected" && !(outcome.reason instanceof PeerUnavailable)) throw outcome.reason;
  return ends;
}
