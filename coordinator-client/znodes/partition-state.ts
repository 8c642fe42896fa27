import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, JsonNode } from "./json.ts";

/** What `/brokers/topics/T/partitions/P/state` says. */
export interface PartitionState {
  /** -1: none. */
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  /** Of the controller, or of the leader's controller, that wrote it. */
  readonly controllerEpoch: number;
  /** The last leader came from outside the in-sync set, and its log may lack committed records (`leader_recovery_state` 1, KIP-704). */
  readonly leaderRecovering: boolean;
}

const version = 1;

export function encodePartitionState({ leader, leaderEpoch, isr, controllerEpoch, leaderRecovering }: PartitionState): Buffer {
  return encodeJson({
    controller_epoch: controllerEpoch,
    leader,
    version,
    leader_epoch: leaderEpoch,
    isr,
    // As Kafka writes it: only when there is something to say, so that older tools see what they know.
    ...(leaderRecovering ? { leader_recovery_state: 1 } : {}),
  });
}

/** Throws MalformedZnode. */
export function decodePartitionState(path: string, data: Buffer): PartitionState {
  const json = JsonNode.parse(path, data);
  return {
    leader: json.integer("leader", { min: -1 }),
    leaderEpoch: json.integer("leader_epoch", { min: 0 }),
    isr: json.integers("isr", { min: 0 }),
    controllerEpoch: json.integer("controller_epoch", { min: 0 }),
    leaderRecovering: json.has("leader_recovery_state") && json.integer("leader_recovery_state") === 1,
  };
}
