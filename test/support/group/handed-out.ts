import { Producer } from "../../../client/index.ts";

/** A record as some member of a group got it. */
export interface HandedOut {
  readonly member: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
  /** Wall clock, milliseconds; of whichever process had it. */
  readonly atMs: number;
}

/** Everything that the members of one group were given, in the order in which it was reported. */
export class HandedOutRecords {
  readonly all: HandedOut[] = [];

  take(record: HandedOut): void {
    this.all.push(record);
  }

  /** Different records; the same one twice counts once. */
  get distinctCount(): number {
    return new Set(this.all.map(({ partition, offset }) => `${partition}:${offset}`)).size;
  }

  countOf(member: string): number {
    return this.all.filter((record) => record.member === member).length;
  }

  partitionsOf(member: string): number[] {
    return [...new Set(this.all.filter((record) => record.member === member).map(({ partition }) => partition))].sort((a, b) => a - b);
  }

  of(partition: number): HandedOut[] {
    return this.all.filter((record) => record.partition === partition).toSorted((a, b) => a.atMs - b.atMs);
  }

  /**
   * What is wrong with it, when each partition was to be handed out from `from` on, `count` records, each once and in order, whichever
   * members got them.
   */
  faults(partitions: number, count: number, from = 0): string[] {
    return Array.from({ length: partitions }, (_, partition) => partition).flatMap((partition) => {
      const offsets = this.of(partition).map(({ offset }) => offset);
      const wrongAt = offsets.findIndex((offset, index) => offset !== from + index);
      const wrong =
        wrongAt < 0
          ? []
          : [`partition ${partition}: ${offsets[wrongAt]} instead of ${from + wrongAt}: ${this.#around(partition, wrongAt)}`];
      return offsets.length === count ? wrong : [...wrong, `partition ${partition}: ${offsets.length} records instead of ${count}`];
    });
  }

  /** Records whose content names another offset than their own. See `produceNumbered`. */
  strangers(): HandedOut[] {
    return this.all.filter(({ partition, offset, value }) => value !== `${partition}:${offset}`);
  }

  /** Records that a member got after a later one of the same partition. */
  outOfOrder(): string[] {
    const last = new Map<string, number>();
    return this.all.flatMap(({ member, partition, offset }) => {
      const key = `${member} ${partition}`;
      const before = last.get(key) ?? -1;
      last.set(key, offset);
      return offset > before ? [] : [`${member}, partition ${partition}: ${offset} after ${before}`];
    });
  }

  #around(partition: number, index: number): string {
    return this.of(partition)
      .slice(Math.max(0, index - 2), index + 3)
      .map(({ member, offset, atMs }) => `${offset} by ${member} at ${atMs % 100_000}`)
      .join(", ");
  }
}

/** `count` records into each partition, from number `from` on; each says its partition and offset, when nothing else writes there. */
export async function produceNumbered(
  bootstrap: readonly string[],
  topic: string,
  { partitions, count, from = 0 }: { readonly partitions: number; readonly count: number; readonly from?: number },
): Promise<void> {
  await using producer = new Producer({ bootstrap, lingerMs: 5 });
  const sent: Promise<unknown>[] = [];
  for (let number = from; number < from + count; number++)
    for (let partition = 0; partition < partitions; partition++)
      sent.push(producer.send({ topic, partition, key: `k${partition}`, value: `${partition}:${number}` }));
  await Promise.all(sent);
}
