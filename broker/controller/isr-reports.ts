import type { IsrChangedRequest } from "../../protocol/peer/messages.ts";
import { stillRecovering } from "../cluster/unclean-recovery.ts";
import type { ControllerState, PartitionChange } from "./controller-state.ts";

/**
 * Of what a leader says it wrote, that which is news: it leads in that epoch as far as is known, the state is newer, and the set is one
 * that it could have written.
 */
export function adoptableReports(state: ControllerState, request: IsrChangedRequest): PartitionChange[] {
  return request.partitions.flatMap(({ topicId, partition, leaderEpoch, isr, isrEpochs, stateVersion }) => {
    const topic = state.topics.get(state.topicNames.get(topicId) ?? "");
    const record = topic?.partitions[partition];
    if (topic === undefined || record === undefined) return [];
    if (record.leader !== request.brokerId || record.leaderEpoch !== leaderEpoch || record.stateVersion >= stateVersion) return [];
    if (!isr.includes(record.leader) || !isr.every((id) => record.replicas.includes(id))) return [];
    return [{ topic: topic.name, record: { ...record, isr, isrEpochs, stateVersion, leaderRecovering: stillRecovering(record, isr) } }];
  });
}
