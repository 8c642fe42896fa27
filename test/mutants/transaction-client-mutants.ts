import type { Mutant } from "./mutant.ts";

/** Rules of the client's half of transactions, taken away: its unit tests (transactions, read-committed) fail for each. */
export const transactionClientMutants: readonly Mutant[] = [
  {
    name: "unanswered-end-is-none",
    file: "client/transaction/transaction-errors.ts",
    find: "if (!(error instanceof KafkaProtocolError)) return true;",
    replace: "if (!(error instanceof KafkaProtocolError)) return false;",
    breaks: "A transaction that is committed is said to have failed, and is written again.",
  },
  {
    name: "failed-send-is-committed",
    file: "client/transaction/transactions.ts",
    find: 'else this.#phase = { kind: "doomed", reason: error };\n    this.#writer.wake();',
    replace: "this.#writer.wake();",
    breaks: "A transaction is committed without a record that was sent in it.",
  },
  {
    name: "lost-batch-keeps-the-epoch",
    file: "client/transaction/transactions.ts",
    find: "if (this.#version === 1 && isNumbered) this.#mustRaise = true;",
    replace: "",
    breaks: "A batch of an aborted transaction that arrives late lands in the next.",
  },
  {
    name: "partitions-are-not-added",
    file: "client/transaction/transactions.ts",
    find: "if (this.#version === 2) {\n      this.#isKnown = true;",
    replace: "if (this.#version > 0) {\n      this.#isKnown = true;",
    breaks: "With version 1, a partition has records of a transaction that is never ended there.",
  },
  {
    name: "numbers-go-on-under-a-new-epoch",
    file: "client/producer/numbering.ts",
    find: "this.#identity = offered;\n    this.#begin();",
    replace: "this.#identity = offered;",
    breaks: "With version 2, the second transaction's records are refused.",
  },
  {
    name: "end-is-not-settled-first",
    file: "client/transaction/transactions.ts",
    find: 'if (before.kind === "unsettled") await this.#settle(before.how, before.mayBeDone);',
    replace: "",
    breaks: "The next transaction begins while the one before may still be committed, or aborted, with its records in it.",
  },
  {
    name: "abort-marker-is-not-read",
    file: "client/fetch/aborted-batches.ts",
    find: 'if (readEndMarker(bytes, batch)?.kind === "abort") open.delete(batch.producerId);',
    replace: "",
    breaks: "What a producer commits after an abort is never handed out.",
  },
  {
    name: "aborted-from-the-start",
    file: "client/fetch/aborted-batches.ts",
    find: "next !== undefined && next.firstOffset <= batch.lastOffset;",
    replace: "next !== undefined;",
    breaks: "What a producer committed before the aborted transaction is not handed out.",
  },
];
