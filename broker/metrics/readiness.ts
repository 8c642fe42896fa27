import type { BrokerId } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import { isMoving } from "../runtime/reassignment-rules.ts";
import type { Pace } from "./pace.ts";

/** One thing that a broker lacks for serving all that it should. */
export interface Missing {
  readonly what: "start" | "registration" | "metadata" | "stopping" | "leadership" | "replicas" | "in-sync";
  /** For a person. Without names: whoever asks may not know them. */
  readonly message: string;
}

export interface ReadinessSources {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  /** -1: not registered. */
  readonly brokerEpoch: () => number;
  readonly isStopping: () => boolean;
  /** Whether this broker leads that partition in that epoch. */
  readonly leads: (topic: string, record: PartitionRecord) => boolean;
}

/** What a broker is before it has anything to say. */
export const starting: readonly Missing[] = [
  { what: "start", message: "the broker is starting: it opens its logs, or waits for ZooKeeper; its log says which" },
];

/**
 * Registered, in the metadata, not stopping; leads what the controller wants it to lead; in sync in all that it has a replica of, apart
 * from what a reassignment brings it or takes away: that may take hours, and the partition's other replicas are counted without it. Empty:
 * ready. Who restarts brokers one after the other waits for this: the next stop then costs no partition more than one replica.
 */
export async function findMissing(sources: ReadinessSources, pace: Pace): Promise<readonly Missing[]> {
  const { brokerId, brokerEpoch, isStopping } = sources;
  const image = sources.image();
  if (isStopping() || image.leavingBrokers.has(brokerId)) return [{ what: "stopping", message: "the broker is stopping" }];
  if (brokerEpoch() < 0) return [{ what: "registration", message: "the broker is not registered in ZooKeeper" }];
  if (image.brokers.get(brokerId)?.epoch !== brokerEpoch())
    return [{ what: "metadata", message: "the controller has not told this broker yet what is its" }];
  const found = { replicas: 0, notLed: 0, notInSync: 0 };
  for (const topic of image.topics.values()) {
    for (const record of topic.partitions) {
      if (pace.isOver) await pace.next();
      if (!record.replicas.includes(brokerId)) continue;
      found.replicas++;
      if (record.leader === brokerId && !sources.leads(topic.name, record)) found.notLed++;
      if (!record.isr.includes(brokerId) && !isMoving(record, brokerId)) found.notInSync++;
    }
  }
  const offline = image.offlineReplicas.get(brokerId)?.size ?? 0;
  const missing: Missing[] = [];
  if (found.notLed > 0) missing.push({ what: "leadership", message: `${found.notLed} partitions that it should lead are not led yet` });
  if (offline > 0) missing.push({ what: "replicas", message: `${offline} of ${found.replicas} replicas cannot be used` });
  if (found.notInSync > 0) missing.push({ what: "in-sync", message: `${found.notInSync} of ${found.replicas} replicas are not in sync` });
  return missing;
}
