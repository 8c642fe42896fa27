import type { ReplicaFetchedPartition, ReplicaFetchPartition, ReplicaFetchRequest } from "../../protocol/peer/messages.ts";

interface Tapped {
  sequence: number;
  readonly asked: Map<string, ReplicaFetchPartition>;
  /** What the leader said last of each partition. */
  readonly answered: Map<string, ReplicaFetchedPartition>;
}

interface FetchAndAnswer {
  readonly asked: ReplicaFetchPartition;
  readonly answer: ReplicaFetchedPartition;
}

/** The fetch sessions of all brokers, from what reaches the leaders over any link. */
export class TappedSessions {
  readonly #sessions = new Map<string, Tapped>();

  asked(by: string, { brokerId, brokerEpoch, session, forgotten, partitions }: ReplicaFetchRequest): void {
    const name = nameOf(by, brokerId, brokerEpoch, session.id);
    if (session.sequence === 0 && !this.#sessions.has(name)) {
      this.#sessions.set(name, { sequence: -1, asked: new Map(), answered: new Map() });
    }
    const tapped = this.#sessions.get(name);
    if (tapped?.sequence !== session.sequence - 1) return;
    tapped.sequence = session.sequence;
    for (const { topicId, partition } of forgotten) {
      tapped.asked.delete(`${topicId} ${partition}`);
      tapped.answered.delete(`${topicId} ${partition}`);
    }
    for (const one of partitions) {
      const key = `${one.topicId} ${one.partition}`;
      if (tapped.asked.get(key)?.leaderEpoch !== one.leaderEpoch) tapped.answered.delete(key);
      tapped.asked.set(key, one);
    }
  }

  /** What the answer says of the session's partitions. Of those that are not in it: that what was said of them last is still so. */
  answered(by: string, request: ReplicaFetchRequest, answers: readonly ReplicaFetchedPartition[]): readonly FetchAndAnswer[] {
    const tapped = this.#sessions.get(nameOf(by, request.brokerId, request.brokerEpoch, request.session.id));
    if (tapped === undefined) return [];
    for (const answer of answers) tapped.answered.set(`${answer.topicId} ${answer.partition}`, answer);
    return [...tapped.answered].flatMap(([key, answer]) => {
      const asked = tapped.asked.get(key);
      return asked === undefined ? [] : [{ asked, answer }];
    });
  }
}

function nameOf(by: string, ...follower: readonly number[]): string {
  return [by, ...follower].join(" ");
}
