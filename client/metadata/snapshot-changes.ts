import { noBroker } from "../../protocol/base/ids.ts";
import type { LeaderMovedEvent, MetadataEvent } from "../base/client-event-map.ts";
import type { ClientEvents } from "../base/client-events.ts";
import type { ClusterSnapshot, TopicMetadata } from "./cluster-snapshot.ts";

/** Tells whoever listens what is new in the next snapshot. */
export function tellChanges(events: ClientEvents, before: ClusterSnapshot, after: ClusterSnapshot): void {
  if (events.has("metadata")) {
    const changes = changesBetween(before, after);
    if (changes !== null) events.emit("metadata", changes);
  }
  if (events.has("leaderMoved")) for (const moved of leadersMoved(before, after)) events.emit("leaderMoved", moved);
}

/** Null: none of these has changed. */
function changesBetween(before: ClusterSnapshot, after: ClusterSnapshot): MetadataEvent | null {
  const brokersCame = [...after.brokers.values()]
    .filter(({ id, host, port }) => {
      const known = before.brokers.get(id);
      return known?.host !== host || known.port !== port;
    })
    .map(({ id, host, port }) => ({ id, host, port }));
  const brokersWent = [...before.brokers.keys()].filter((id) => !after.brokers.has(id));
  const topicsCame: string[] = [];
  const topicsChanged: string[] = [];
  for (const [name, topic] of after.topics) {
    const known = before.topics.get(name);
    if (known === undefined) topicsCame.push(name);
    else if (known.partitions.length !== topic.partitions.length || known.topicId !== topic.topicId) topicsChanged.push(name);
  }
  const topicsWent = [...before.topics.keys()].filter((name) => !after.topics.has(name));
  const isChange = [brokersCame, brokersWent, topicsCame, topicsWent, topicsChanged].some(({ length }) => length > 0);
  return isChange ? { brokersCame, brokersWent, topicsCame, topicsWent, topicsChanged } : null;
}

/** Of topics that are the same in both. */
function* leadersMoved(before: ClusterSnapshot, after: ClusterSnapshot): Generator<LeaderMovedEvent, void> {
  for (const [name, topic] of after.topics) {
    const known = before.topics.get(name);
    if (known !== undefined && known !== topic && known.topicId === topic.topicId) yield* movedIn(known, topic);
  }
}

function* movedIn(known: TopicMetadata, topic: TopicMetadata): Generator<LeaderMovedEvent, void> {
  for (const { partition, leader, leaderEpoch: epoch } of topic.partitions) {
    const from = known.partitions[partition]?.leader;
    if (from === undefined || from === leader) continue;
    yield { topic: topic.name, partition, from: from === noBroker ? null : from, to: leader === noBroker ? null : leader, epoch };
  }
}
