import type { Coordinator } from "./coordinator.ts";
import { decodePartitionState, knownIsrEpochs, type PartitionState } from "./znodes/partition-state.ts";
import { partitionStatePath } from "./znodes/paths.ts";

export interface FoundPartitionState {
  /** With the registrations of all members, and the version of the node. */
  readonly state: Omit<PartitionState, "controllerEpoch"> & { readonly stateVersion: number };
  /** Transaction that wrote it. */
  readonly modifiedZxid: number;
}

/** Null: there is none. Rejects with CoordinatorUnavailable and MalformedZnode. */
export async function readPartitionState(
  coordinator: Pick<Coordinator, "read">,
  topic: string,
  partition: number,
): Promise<FoundPartitionState | null> {
  const path = partitionStatePath(topic, partition);
  const node = await coordinator.read(path);
  if (node === null) return null;
  const { version: stateVersion, modifiedZxid } = node;
  const { controllerEpoch: _, ...found } = decodePartitionState(path, node.data);
  return { state: { ...found, isrEpochs: knownIsrEpochs(found, modifiedZxid), stateVersion }, modifiedZxid };
}
