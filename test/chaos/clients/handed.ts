import type { ConsumerBatch, TopicPartition } from "../../../client/index.ts";
import type { History } from "../history/history.ts";

export interface Position extends TopicPartition {
  readonly offset: number;
}

export interface HandedPlace {
  readonly group: string;
  readonly topic: string;
  readonly history: Pick<History, "add">;
}

/** What a member was handed and has not told of yet, and what it has not committed. */
export class Handed {
  readonly #place: HandedPlace;
  readonly #member: string;
  /** By partition; batches that follow each other are told of at once. */
  readonly #untold = new Map<number, { readonly from: number; to: number }>();
  readonly #uncommitted = new Map<number, number>();

  constructor(place: HandedPlace, member: string) {
    this.#place = place;
    this.#member = member;
  }

  add({ partition, records }: Pick<ConsumerBatch, "partition" | "records">): void {
    const [from, to] = [records[0]?.offset ?? 0, (records.at(-1)?.offset ?? -1) + 1];
    const present = this.#untold.get(partition);
    if (present !== undefined && present.to === from) present.to = to;
    else {
      if (present !== undefined) this.tell();
      this.#untold.set(partition, { from, to });
    }
    this.#uncommitted.set(partition, to);
  }

  tell(): void {
    const { group, topic, history } = this.#place;
    for (const [partition, range] of this.#untold) history.add({ kind: "handed", group, member: this.#member, topic, partition, ...range });
    this.#untold.clear();
  }

  /** To be committed now: all of it is told of. */
  positions(): readonly Position[] {
    this.tell();
    const positions = [...this.#uncommitted].map(([partition, offset]) => ({ topic: this.#place.topic, partition, offset }));
    this.#uncommitted.clear();
    return positions;
  }

  /** What is not committed by now is for the next owner. */
  leave(partitions: readonly TopicPartition[]): void {
    this.tell();
    for (const { partition } of partitions) this.#uncommitted.delete(partition);
  }
}
