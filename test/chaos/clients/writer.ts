import type { History } from "../history/history.ts";

export interface Writer {
  readonly name: string;
  start(): void;
  /** Resolves when the outcome of everything that was sent is known. */
  stop(): Promise<void>;
  /** How many records there were, whatever became of them. Once nothing is sent any more. */
  tellSent(): void;
}

export interface WriterPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  readonly history: History;
}

/** How long a client tries before it gives a record up. Longer than any fault with what follows. */
export const deliveryTimeoutMs = 90_000;

/** The numbers of a writer's records, and what becomes of each, in the history. */
export class WriteBook {
  readonly #writer: string;
  readonly #place: WriterPlace;
  readonly #next: number[];

  constructor(writer: string, acks: "all" | 1, isIdempotent: boolean, place: WriterPlace) {
    this.#writer = writer;
    this.#place = place;
    this.#next = Array.from({ length: place.partitions }, () => 0);
    place.history.add({ kind: "writer", writer, acks, isIdempotent });
  }

  take(partition: number): number {
    const seq = this.#next[partition] ?? 0;
    this.#next[partition] = seq + 1;
    return seq;
  }

  tellSent(): void {
    const { topic, history } = this.#place;
    for (const [partition, count] of this.#next.entries()) history.add({ kind: "sent", writer: this.#writer, topic, partition, count });
  }

  acknowledged(partition: number, seq: number, sentAt: number, offset: number | null): void {
    this.#add({ partition, seq, sentAt, offset, outcome: "acknowledged" });
  }

  unknown(partition: number, seq: number, sentAt: number, error: unknown): void {
    this.#add({ partition, seq, sentAt, offset: null, outcome: "unknown", error: String(error instanceof Error ? error.message : error) });
  }

  #add(result: {
    readonly partition: number;
    readonly seq: number;
    readonly sentAt: number;
    readonly offset: number | null;
    readonly outcome: "acknowledged" | "unknown";
    readonly error?: string;
  }): void {
    this.#place.history.add({ kind: "write", writer: this.#writer, topic: this.#place.topic, ...result });
  }
}
