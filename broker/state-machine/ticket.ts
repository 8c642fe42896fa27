import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";

export type Ran<T> = { readonly error: null; readonly value: T } | { readonly error: KafkaError };

/** One ticket with its answer; made by `Ticket.settlement`, which knows the types. */
export interface Settlement {
  /** The answer may go out: what it rests on is committed. */
  readonly release: () => void;
  /** The decision failed, or its outcome is unknown: the request gets this error. */
  readonly fail: (error: KafkaError) => void;
}

/** An answer that is still to come. Settled once; what comes later is ignored. */
export class Ticket<T> {
  readonly answer: Promise<Ran<T>>;
  #resolve: (ran: Ran<T>) => void = () => {};
  #isOpen = true;

  constructor() {
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** For a decision: the request is answered with `value` as soon as the decision is committed. */
  settlement(value: T): Settlement {
    return { release: () => this.settle({ error: null, value }), fail: (error) => this.fail(error) };
  }

  settle(ran: Ran<T>): void {
    this.#isOpen = false;
    this.#resolve(ran);
  }

  /** Gets the same answer as the other one. */
  follow(other: Ticket<T>): void {
    void other.answer.then((ran) => this.settle(ran));
  }

  fail(error: KafkaError): void {
    this.settle({ error });
  }
}
