import type { FetchedOffset } from "../../../broker/group/offset-requests.ts";
import type { World } from "./world.ts";

/** Who commits for the group; left out: nobody in particular. */
export interface Member {
  readonly memberId?: string;
  readonly generationIdOrMemberEpoch?: number;
  readonly groupInstanceId?: string | null;
}

/** Commits in the producer's transaction, by topic, partition 0: the errors. */
export async function commitIn(
  world: World,
  producerId: number,
  offsets: Readonly<Record<string, number>>,
  { groupId = "g", metadata = "m", ...member }: Member & { readonly groupId?: string; readonly metadata?: string } = {},
): Promise<string[]> {
  const topics = Object.entries(offsets).map(([name, committedOffset]) => ({
    name,
    partitions: [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: 4, commitTimestamp: -1, committedMetadata: metadata }],
  }));
  const by = { memberId: "", groupInstanceId: null, generationIdOrMemberEpoch: -1, ...member };
  const request = { ...by, topics, transaction: { producerId, producerEpoch: 0, guard: "waived" as const } };
  const asked = await world.ask((machine, now) => machine.commitInTransaction(groupId, request, now));
  return asked.error === null ? asked.value.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)) : [asked.error];
}

export function end(world: World, producerId: number, kind: "commit" | "abort") {
  return world.shard.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 1, kind, transactionVersion: 1 });
}

/** By topic, partition 0: the position, or the error. */
export async function stable(
  world: World,
  wanted: readonly string[] | null = null,
  groupId = "g",
): Promise<Record<string, number | string>> {
  const topics = wanted?.map((name) => ({ name, partitions: [0] })) ?? null;
  const asked = await world.ask((machine) => machine.fetchOffsets(groupId, { memberId: null, memberEpoch: -1 }, topics, true));
  const shown = ({ committedOffset, errorCode }: FetchedOffset) => (errorCode === "NONE" ? committedOffset : errorCode);
  return Object.fromEntries(asked.value.topics.map(({ name, partitions }) => [name, shown(partitions[0]!)]));
}
