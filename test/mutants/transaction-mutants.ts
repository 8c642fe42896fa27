import type { Mutant } from "./mutant.ts";
import { transactionClientMutants } from "./transaction-client-mutants.ts";

const machine = "broker/transaction/transaction-machine.ts";
const rules = "broker/transaction/transaction-rules.ts";
const values = "broker/transaction/transaction.ts";
const sender = "broker/transaction/marker-sender.ts";

/** Rules of the transaction coordinator, and of the leaders that it sends markers to, taken away. Unit tests catch most of them, too. */
export const transactionMutants: readonly Mutant[] = [
  ...transactionClientMutants,
  {
    name: "repeated-end-of-any-outcome",
    file: rules,
    find: 'if (outcomeOf(known.state) !== kind) return refused("INVALID_TXN_STATE");',
    replace: "",
    breaks: "A commit that comes after the coordinator's abort is answered as if it had been carried out.",
  },
  {
    name: "epoch-stays",
    file: values,
    find: "producerEpoch: known.producerEpoch + (raisesEpoch ? 1 : 0),",
    replace: "producerEpoch: known.producerEpoch,",
    breaks: "The end of a transaction of version 2 leaves the epoch as it was, and what is delayed lands in the next one.",
  },
  {
    name: "markers-before-commit",
    file: machine,
    find: "accepted: () => [this.#sending(transactionalId)]",
    replace: "accepted: () => {\n      this.#send(transactionalId);\n      return [];\n    }",
    breaks: "Markers go out for an outcome that is lost with the coordinator; the next one may decide otherwise.",
  },
  {
    name: "prepared-is-forgotten",
    file: machine,
    find: "for (const id of this.#book.ids()) this.#send(id);",
    replace: "",
    breaks: "A transaction whose coordinator dies before its markers are written stays open for ever.",
  },
  {
    name: "slow-commit-sends-nothing",
    file: machine,
    find: "if (this.#ended.signal.aborted) return;\n        const again",
    replace: "if (!this.#ended.signal.aborted) return;\n        const again",
    breaks: "When the commit takes longer than answers wait, the markers are never sent.",
  },
  {
    name: "marks-of-another-transaction",
    file: machine,
    find: "return isPrepared(state) && producerId === ended.producerId && producerEpoch === ended.producerEpoch;",
    replace: "return isPrepared(state);",
    breaks: "A late answer about an earlier transaction completes the present one, whose partitions have no marker.",
  },
  {
    name: "complete-with-some-markers",
    file: machine,
    find: "if (entry.unmarked.size > 0) return answered(null);\n    const { transactionalId } = ended;",
    replace: "entry.unmarked.clear();\n    const { transactionalId } = ended;",
    breaks: "The next transaction begins while partitions still lack the marker of the last.",
  },
  {
    name: "late-init-aborts",
    file: rules,
    find: 'return expected === null || isPresent ? { kind: "fences" } : refused("PRODUCER_FENCED");',
    replace: 'return { kind: "fences" };',
    breaks: "A delayed InitProducerId of an earlier epoch aborts what the present producer has open.",
  },
  {
    name: "any-epoch-goes-on",
    file: rules,
    find: 'if (!wasBefore) return refused("PRODUCER_FENCED");',
    replace: "",
    breaks: "A fenced producer names an old epoch and is given the present one.",
  },
  {
    name: "timeouts-by-the-wall-clock",
    file: machine,
    find: "monotonicMs - entry.openSinceMs >= entry.transaction.timeoutMs",
    replace: "this.#now.wallMs - entry.transaction.startedMs >= entry.transaction.timeoutMs + 0 * monotonicMs",
    breaks: "A step of the wall clock aborts every open transaction.",
  },
  {
    name: "open-ids-expire",
    file: machine,
    find: 'if (entry === undefined || entry.transaction.state === "Ongoing" || isPrepared(entry.transaction.state)) return false;',
    replace: "if (entry === undefined) return false;",
    breaks: "An id whose markers are not written yet is forgotten, and its partitions stay closed for read_committed consumers.",
  },
  {
    name: "last-epoch-is-used",
    file: rules,
    find: "const needsId = raisesEpoch && producer.producerEpoch >= lastUsableEpoch;",
    replace: "const needsId = raisesEpoch && producer.producerEpoch > lastUsableEpoch;",
    breaks: "A producer is given the epoch that only fences, and the next end has none.",
  },
  {
    name: "fenced-markers-count",
    file: sender,
    find: 'if (answer === "TRANSACTION_COORDINATOR_FENCED") {',
    replace: 'if (answer === "TRANSACTION_COORDINATOR_FENCED" && false) {',
    also: [{ find: 'if (answer === "NONE" ||', replace: 'if (answer === "NONE" || answer === "TRANSACTION_COORDINATOR_FENCED" ||' }],
    breaks: "An earlier coordinator completes a transaction that a later one may have decided otherwise.",
  },
  {
    name: "unknown-topics-count-as-deleted",
    file: sender,
    find: "(isOld || deleted.has(place.topic))",
    replace: "true",
    breaks: "A topic that this broker merely does not know yet gets no markers, and its transaction stays open there.",
  },
  {
    name: "unnoted-marks-are-dropped",
    file: sender,
    find: "if (!isNoted) {",
    replace: "if (!isNoted && partitions.length === 0) {",
    breaks: "What a partition answered while the coordinator could take no note of it is lost, and the transaction is never complete.",
  },
  {
    name: "next-transaction-is-let-in",
    file: "broker/log/producers/producer-states.ts",
    find: "return producerEpoch === undefined || producerEpoch === entry.epoch ? entry.transactionFirstOffset : null;",
    replace: "return entry.transactionFirstOffset;",
    breaks: "A batch of the next transaction is let in where the last one still lacks its marker, and the coordinator never hears of it.",
  },
  {
    name: "marker-ends-no-guard",
    file: "broker/partition/leadership.ts",
    find: "this.guards.markerWritten(marker);",
    replace: "",
    breaks: "What was verified before the end of a transaction is appended behind its marker.",
  },
  {
    name: "open-transactions-are-read",
    file: "broker/log/producers/producer-states.ts",
    find: "return this.#transactions.firstUnstable(highWatermark);",
    replace: "return null;",
    breaks: "Those who read what is committed are handed what is still open, and may be aborted.",
  },
];
