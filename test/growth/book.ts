/** What the clients know: which records were written, what became of them, and what was read. By partition. */
export class Book {
  readonly #partitions: readonly PartitionBook[];

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => ({ writers: new Map(), read: [], failures: 0 }));
  }

  get partitions(): readonly Readonly<PartitionBook>[] {
    return this.#partitions;
  }

  /** The number of a record that is about to be sent. */
  take(partition: number, writer: string): number {
    const { writers } = this.#of(partition);
    const offsets = writers.get(writer) ?? [];
    writers.set(writer, offsets);
    return offsets.push(null) - 1;
  }

  acknowledged(partition: number, writer: string, seq: number, offset: number): void {
    (this.#of(partition).writers.get(writer) as (number | null)[])[seq] = offset;
  }

  failed(partition: number): void {
    this.#of(partition).failures++;
  }

  read(partition: number, offset: number, id: string): void {
    const { read } = this.#of(partition);
    const before = read[offset];
    read[offset] = before === undefined || before === id ? id : `${before} and ${id}`;
  }

  #of(partition: number): PartitionBook {
    return this.#partitions[partition] as PartitionBook;
  }
}

export interface PartitionBook {
  /** By writer, the offset with which each number was acknowledged; null: it was not. */
  readonly writers: Map<string, (number | null)[]>;
  /** By offset, what the group was handed there. */
  readonly read: string[];
  failures: number;
}

export const idOf = (writer: string, seq: number) => `${writer}-${seq}`;
