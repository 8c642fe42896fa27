import type { BrokerId } from "../protocol/base/ids.ts";
import type { Coordinator } from "./coordinator.ts";
import { topicPath, topicsPath } from "./znodes/paths.ts";
import { decodeTopicAssignment } from "./znodes/topic-assignment.ts";

/** How many partitions each of these brokers has a replica of. Rejects with CoordinatorUnavailable, and with MalformedZnode. */
export async function replicaCounts(
  coordinator: Pick<Coordinator, "children" | "read">,
  brokers: readonly BrokerId[],
): Promise<ReadonlyMap<BrokerId, number>> {
  const counts = new Map(brokers.map((id) => [id, 0]));
  for (const name of (await coordinator.children(topicsPath))?.names ?? []) {
    const path = topicPath(name);
    const node = await coordinator.read(path);
    if (node === null) continue;
    for (const replicas of decodeTopicAssignment(path, node.data).partitions)
      for (const id of replicas) if (counts.has(id)) counts.set(id, counts.get(id)! + 1);
  }
  return counts;
}
