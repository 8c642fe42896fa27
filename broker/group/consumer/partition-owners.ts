import type { TopicId } from "../../../protocol/base/ids.ts";
import type { PartitionMap } from "../assignors/partition-map.ts";
import type { CurrentAssignment } from "./member.ts";

/** Who has which partition now: what is assigned to a member, and what it has not given up yet. */
export class PartitionOwners {
  readonly #byTopic = new Map<TopicId, Map<number, string>>();

  ownerOf(topicId: TopicId, partition: number): string | null {
    return this.#byTopic.get(topicId)?.get(partition) ?? null;
  }

  replace(memberId: string, before: CurrentAssignment | undefined, now: CurrentAssignment | undefined): void {
    if (before !== undefined) for (const partitions of [before.assigned, before.pendingRevocation]) this.#free(memberId, partitions);
    if (now !== undefined) for (const partitions of [now.assigned, now.pendingRevocation]) this.#take(memberId, partitions);
  }

  #take(memberId: string, partitions: PartitionMap): void {
    for (const [topicId, numbers] of partitions) {
      const owners = this.#byTopic.get(topicId) ?? new Map<number, string>();
      this.#byTopic.set(topicId, owners);
      for (const number of numbers) owners.set(number, memberId);
    }
  }

  #free(memberId: string, partitions: PartitionMap): void {
    for (const [topicId, numbers] of partitions) {
      const owners = this.#byTopic.get(topicId);
      if (owners === undefined) continue;
      // whoever took it since keeps it
      for (const number of numbers) if (owners.get(number) === memberId) owners.delete(number);
      if (owners.size === 0) this.#byTopic.delete(topicId);
    }
  }
}
