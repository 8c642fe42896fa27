import type { Clock } from "../../protocol/base/clock.ts";
import type { ApiName } from "../../protocol/messages/apis.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { TransactionVerifier } from "../runtime/transaction-verifier.ts";
import { addOffsetsToTxnApi } from "./add-offsets-to-txn.ts";
import { addPartitionsToTxnApi } from "./add-partitions-to-txn.ts";
import type { ApisNamed } from "./api.ts";
import { describeTransactionsApi } from "./describe-transactions.ts";
import { endTxnApi } from "./end-txn.ts";
import type { CoordinatorFinder } from "./find-coordinator.ts";
import type { EnteredGroups } from "./group-context.ts";
import { listTransactionsApi } from "./list-transactions.ts";
import type { TransactionService } from "./transaction-context.ts";
import type { TransactionGate } from "./transaction-gate.ts";
import { txnOffsetCommitApi } from "./txn-offset-commit.ts";
import { type WriteMarkers, writeTxnMarkersApi } from "./write-txn-markers.ts";

/** What of this broker transactions stand on. */
export interface TransactionParts {
  readonly coordinator: TransactionService;
  readonly gate: TransactionGate;
  readonly verifier: TransactionVerifier;
  /** `transaction.partition.verification.enable`, as it is now. */
  readonly verifies: () => boolean;
  readonly writer: { readonly write: WriteMarkers };
}

export interface TransactionApisParts {
  readonly transactions: TransactionParts;
  readonly groups: EnteredGroups;
  readonly images: Pick<ImageSource, "current">;
  readonly finder: CoordinatorFinder;
  readonly clock: Clock;
}

/** What transactions need besides InitProducerId and Produce. */
export function transactionApisOf({ transactions, groups, images, finder, clock }: TransactionApisParts) {
  const { coordinator, verifier, verifies, writer } = transactions;
  return {
    addPartitionsToTxn: addPartitionsToTxnApi(coordinator, images),
    addOffsetsToTxn: addOffsetsToTxnApi(coordinator, images, finder),
    endTxn: endTxnApi(coordinator),
    txnOffsetCommit: txnOffsetCommitApi({ groups, images, verifier, verifies }),
    writeTxnMarkers: writeTxnMarkersApi(images, (markers) => writer.write(markers)),
    describeTransactions: describeTransactionsApi(coordinator),
    listTransactions: listTransactionsApi(coordinator, clock),
  } satisfies Partial<ApisNamed<ApiName>>;
}
