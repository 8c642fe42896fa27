import type { Mutant } from "./mutant.ts";

const model = "test/unit/log/transaction-model.test.ts";
const compacted = "test/unit/log/compaction/compacted-transactions.test.ts";
const spans = "test/unit/log/transaction-spans.test.ts";

/** What a log makes of transactions: where they are decided, which were aborted, and what of them may go. */
export const transactionLogMutants: readonly Mutant[] = [
  {
    name: "marker-decides-at-once",
    caughtBy: model,
    file: "broker/log/producers/transaction-spans.ts",
    find: "if (firstEnded === undefined) return firstOpen;",
    replace: "if (firstEnded !== -1) return firstOpen;",
    breaks: "A transaction counts as decided when its marker is in the leader's log, which another leader may not have.",
  },
  {
    name: "late-marker-ends-the-next",
    caughtBy: model,
    file: "broker/log/producers/producer-entry.ts",
    find: "const isLate = producerEpoch < entry.epoch || (transactionVersion >= 2 && producerEpoch === entry.epoch && isOpen);",
    replace: "const isLate = producerEpoch < entry.epoch;",
    breaks: "The marker of a transaction that is sent twice ends the producer's next one, under version 2 as well.",
  },
  {
    name: "old-coordinator-writes",
    caughtBy: model,
    file: "broker/log/producers/producer-entry.ts",
    find: "if (coordinatorEpoch < entry.coordinatorEpoch)",
    replace: "if (coordinatorEpoch < -1)",
    breaks: "A coordinator that was replaced ends transactions.",
  },
  {
    name: "marker-without-transaction-fences-nobody",
    caughtBy: model,
    file: "broker/log/producers/producer-entry.ts",
    find: "const changesNothing = !isOpen && producerEpoch === entry.epoch && coordinatorEpoch === entry.coordinatorEpoch;",
    replace: "const changesNothing = !isOpen;",
    breaks: "A marker is answered as if it had been written, and the epoch in it is not known to anyone: an older producer goes on.",
  },
  {
    name: "cut-forgets-what-ended",
    caughtBy: spans,
    file: "broker/log/producers/producer-states.ts",
    find: "other.#transactions.rememberEnded(this.#transactions, endOffset);",
    replace: "",
    breaks: "After a cut, transactions whose markers are not committed count as decided.",
  },
  {
    name: "cut-leaves-aborted",
    caughtBy: model,
    file: "broker/log/partition-log/truncation.ts",
    find: '  await trimIndex(io, abortedIndexFormat, segmentPath(folder, target.baseOffset, "txnindex"), target.baseOffset, cut.endOffset);\n',
    replace: "",
    breaks: "What was aborted above a cut stays in the index: records that come in its place are withheld from readers.",
  },
  {
    name: "recovery-keeps-the-index",
    caughtBy: model,
    file: "broker/log/opening/recovery.ts",
    find: "  if (progress.hasControl) await rebuildAborted(io, folder, { bases: left, fromBase: expectedFrom, endOffset });\n",
    replace: "  if (progress.hasControl);\n",
    breaks: "After a crash, readers are shown what was aborted: its entries were not on the disk yet.",
  },
  {
    name: "lost-index-is-none",
    caughtBy: model,
    file: "broker/log/producers/aborted-files.ts",
    find: "if (bytesOf(baseOffset) < 0 || bytesOf(baseOffset) === found) continue;",
    replace: "if (bytesOf(baseOffset) !== -2) continue;",
    breaks: "An index that was lost while the broker was stopped is taken for one of a segment without aborted transactions.",
  },
  {
    name: "search-ends-too-early",
    caughtBy: model,
    file: "broker/log/partition-log/aborted-lookup.ts",
    find: "return entry.lastStableOffset < endOffset && aborted.length <= max;",
    replace: "return entry.offset < endOffset && aborted.length <= max;",
    breaks: "Transactions that ended after the first marker above what is read are not told to the reader, who takes them for committed.",
  },
  {
    name: "aborted-value-supersedes",
    caughtBy: compacted,
    file: "broker/log/compaction/log-compaction.ts",
    find: "if (batch.lastOffset < from || batch.isControl || round.transactions.isAborted(batch)) continue;",
    replace: "if (batch.lastOffset < from || batch.isControl) continue;",
    breaks: "Compaction removes a committed value for the sake of an aborted one of the same key.",
  },
  {
    name: "marker-goes-before-its-records",
    caughtBy: compacted,
    file: "broker/log/compaction/log-compaction.ts",
    find: "this.#filteredMarker(round, bytes, batch, endsGroup || end.hasBatches)",
    replace: "this.#filteredMarker(round, bytes, batch, endsGroup)",
    breaks: "Records of a transaction stay without its end: to a replica that copies the log it is open for ever.",
  },
  {
    name: "undecided-is-compacted",
    caughtBy: compacted,
    file: "broker/log/compaction/cleaning-plan.ts",
    find: "limitOffset: Math.min(highWatermark, stable, recoveryPoint)",
    replace: "limitOffset: Math.min(highWatermark, recoveryPoint)",
    breaks: "A committed value is compacted away for one whose transaction is aborted later.",
  },
];
