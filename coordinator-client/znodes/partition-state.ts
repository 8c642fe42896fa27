import type { BrokerId, IsrEpochs } from "../../protocol/base/ids.ts";
import { encodeJson, int32Max, JsonNode } from "./json.ts";

/** What `/brokers/topics/T/partitions/P/state` says. */
export interface PartitionState {
  /** -1: none. */
  readonly leader: BrokerId;
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  /** As written: a tool that does not know them leaves them out (see `knownIsrEpochs`). A member of our own that Kafka's tools ignore. */
  readonly isrEpochs: IsrEpochs;
  /** Epoch of the controller that wrote it, or of the controller that the writing leader knew. */
  readonly controllerEpoch: number;
  /** The last leader came from outside the ISR, and its log may lack committed records (`leader_recovery_state` 1, KIP-704). */
  readonly leaderRecovering: boolean;
}

const version = 1;

export function encodePartitionState({ leader, leaderEpoch, isr, isrEpochs, controllerEpoch, leaderRecovering }: PartitionState): Buffer {
  const epochs = isr.flatMap((id) => (isrEpochs[id] === undefined ? [] : [[id, isrEpochs[id]] as const]));
  return encodeJson({
    controller_epoch: controllerEpoch,
    leader,
    version,
    leader_epoch: leaderEpoch,
    isr,
    // As Kafka writes it: only when it is set, so that older tools see what they know.
    ...(leaderRecovering ? { leader_recovery_state: 1 } : {}),
    ...(epochs.length === 0 ? {} : { ottla: { isr_epochs: Object.fromEntries(epochs) } }),
  });
}

/** Throws MalformedZnode. */
export function decodePartitionState(path: string, data: Buffer): PartitionState {
  const json = JsonNode.parse(path, data);
  const ours = json.has("ottla") ? json.object("ottla") : null;
  const epochs = ours?.has("isr_epochs") ? ours.object("isr_epochs") : null;
  const isr = json.integers("isr", { min: 0, max: int32Max });
  return {
    leader: json.integer("leader", { min: -1, max: int32Max }),
    // one is left for the next leader
    leaderEpoch: json.integer("leader_epoch", { min: 0, max: int32Max - 1 }),
    isr,
    isrEpochs: Object.fromEntries(isr.flatMap((id) => (epochs?.has(`${id}`) ? [[id, epochs.integer(`${id}`, { min: -1 })]] : []))),
    controllerEpoch: json.integer("controller_epoch", { min: 0, max: int32Max }),
    leaderRecovering: json.has("leader_recovery_state") && json.integer("leader_recovery_state") === 1,
  };
}

/**
 * Of every member. For a member that the state has no entry for, the transaction that wrote the state: it joined the ISR under a
 * registration before that, and any later registration is another life.
 */
export function knownIsrEpochs({ isr, isrEpochs }: Pick<PartitionState, "isr" | "isrEpochs">, modifiedZxid: number): IsrEpochs {
  return Object.fromEntries(isr.map((id) => [id, isrEpochs[id] ?? modifiedZxid]));
}

/**
 * Whether a partition stays marked as recovering from an unclean election with this in-sync set: until all its replicas have been in sync
 * since. One that was away still holds records past the new leader's end, and must be allowed to cut them whenever it returns, also under a
 * later, clean leader.
 */
export function stillRecovering(
  known: Pick<PartitionState, "leaderRecovering"> & { readonly replicas: readonly BrokerId[] },
  isr: readonly BrokerId[],
): boolean {
  return known.leaderRecovering && !known.replicas.every((id) => isr.includes(id));
}
