/** Where a record was written. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /** -1: unknown (acks 0, or the broker recognises the batch as an old one and has forgotten its offset). */
  readonly offset: number;
  /** The broker's time under LogAppendTime, else the record's own. */
  readonly timestampMs: number;
  /**
   * How often the record was sent: 1 when it succeeded at once. With more, and unless the producer is idempotent, the log may hold it
   * twice.
   */
  readonly attempts: number;
}

/** The caller's side of a record in flight. Settled once. */
export interface PendingSend {
  timestampMs: number;
  /** What it took of the buffer, released when settled. */
  reservedBytes: number;
  resolve(metadata: RecordMetadata): void;
  reject(error: Error): void;
}

/** A caller waits for this record alone. */
export class SingleSend implements PendingSend {
  timestampMs = -1;
  reservedBytes = 0;
  readonly resolve: (metadata: RecordMetadata) => void;
  readonly reject: (error: Error) => void;

  constructor(resolve: (metadata: RecordMetadata) => void, reject: (error: Error) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** Settled once, and again to no effect: a promise's two functions. */
export interface GroupCaller {
  readonly resolve: (sent: RecordMetadata[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A caller waits for several records together: one promise, and not one for each of them. As `Promise.all`, it rejects with the first
 * failure.
 */
export class SendGroup {
  readonly #sent: RecordMetadata[];
  readonly #caller: GroupCaller;
  #unsettled: number;

  constructor(recordsCount: number, caller: GroupCaller) {
    this.#sent = new Array<RecordMetadata>(recordsCount);
    this.#caller = caller;
    this.#unsettled = recordsCount;
    if (recordsCount === 0) caller.resolve(this.#sent);
  }

  sendOf(index: number): PendingSend {
    return new GroupedSend(this, index);
  }

  sent(index: number, metadata: RecordMetadata): void {
    this.#sent[index] = metadata;
    this.#unsettled--;
    if (this.#unsettled === 0) this.#caller.resolve(this.#sent);
  }

  failed(error: Error): void {
    this.#caller.reject(error);
  }
}

class GroupedSend implements PendingSend {
  timestampMs = -1;
  reservedBytes = 0;
  readonly #group: SendGroup;
  readonly #index: number;

  constructor(group: SendGroup, index: number) {
    this.#group = group;
    this.#index = index;
  }

  resolve(metadata: RecordMetadata): void {
    this.#group.sent(this.#index, metadata);
  }

  reject(error: Error): void {
    this.#group.failed(error);
  }
}
