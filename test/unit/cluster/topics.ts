import type { TopicState } from "../../../broker/controller/controller-state.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";

export const topicId = (number: number) => `topic-id-${String(number).padStart(13, "0")}`;
export const partition = (number: number, change: Partial<PartitionRecord> = {}): PartitionRecord => ({
  partition: number,
  leader: 1,
  leaderEpoch: 0,
  isr: [1, 2],
  replicas: [1, 2],
  stateVersion: 0,
  isrEpochs: { 1: 11 },
  leaderRecovering: false,
  ...change,
});
export const topicOf = (name: string, id: number, partitions: number, config = {}): TopicState => ({
  name,
  id: topicId(id),
  version: 0,
  partitions: Array.from({ length: partitions }, (_, index) => partition(index)),
  config,
});
