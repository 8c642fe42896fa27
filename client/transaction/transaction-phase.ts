import { InvalidTransactionState, type ProducerFailed, TransactionFailed } from "../base/errors.ts";

export type Ending = "commit" | "abort";

/** Where a transactional producer is. */
export type Phase =
  /** No producer id yet. */
  | { readonly kind: "fresh" }
  /** No transaction is open. */
  | { readonly kind: "ready" }
  | { readonly kind: "beginning" }
  | { readonly kind: "open" }
  /** Something of it has failed: it can only be aborted. */
  | { readonly kind: "doomed"; readonly reason: unknown }
  | { readonly kind: "ending"; readonly how: Ending }
  /** Its end was not answered. `mayBeDone`: it was asked for at least once. */
  | { readonly kind: "unsettled"; readonly how: Ending; readonly mayBeDone: boolean }
  /** For good. */
  | { readonly kind: "over"; readonly reason: ProducerFailed };

/** Why nothing that was sent in it will be written; null: it may be. */
export function stopReason(phase: Phase): Error | null {
  if (phase.kind === "over") return phase.reason;
  if (phase.kind === "doomed") return doomedBy(phase.reason);
  if (phase.kind === "ending" && phase.how === "abort") return new TransactionFailed("the transaction was aborted");
  return null;
}

export function doomedBy(reason: unknown): TransactionFailed {
  const why = reason instanceof Error ? reason.message : String(reason);
  return new TransactionFailed(`the transaction can only be aborted: ${why}`, reason);
}

/** Throws why nothing can be sent now. */
export function checkMaySend(phase: Phase): void {
  const stopped = phase.kind === "ending" ? null : stopReason(phase);
  if (stopped !== null) throw stopped;
  if (phase.kind === "open") return;
  if (phase.kind === "ending") throw new InvalidTransactionState("the transaction is being ended: nothing more can be sent in it");
  throw new InvalidTransactionState(
    "no transaction is open: a producer with a transactionalId sends within transaction() or after beginTransaction()",
  );
}

/** Throws why no transaction can begin now. */
export function checkMayBegin(phase: Phase): void {
  if (phase.kind === "over") throw phase.reason;
  if (phase.kind === "fresh" || phase.kind === "ready" || phase.kind === "unsettled") return;
  throw new InvalidTransactionState("a transaction is under way: a producer has one at a time; for more at once, use more producers");
}

/** Throws why it cannot be ended so. Returns whether that was asked for before. */
export function checkMayEnd(phase: Phase, how: Ending): void {
  switch (phase.kind) {
    case "open":
      return;
    case "over":
      throw phase.reason;
    case "doomed":
      if (how === "commit") throw doomedBy(phase.reason);
      return;
    case "unsettled":
      if (how === "abort" && phase.how === "commit" && phase.mayBeDone)
        throw new InvalidTransactionState("whether the transaction is committed is not known: commit() asks again, abort() could not help");
      if (how === "commit" && phase.how === "abort") throw new InvalidTransactionState("the transaction is being aborted");
      return;
    case "ending":
      throw new InvalidTransactionState("the transaction is being ended already");
    case "fresh":
    case "ready":
    case "beginning":
      throw new InvalidTransactionState("no transaction is open");
  }
}
