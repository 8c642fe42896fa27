import type { Clock } from "../../protocol/base/clock.ts";
import type { TransactionApiName } from "../../protocol/messages/apis.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { addOffsetsToTxnApi } from "./add-offsets-to-txn.ts";
import { addPartitionsToTxnApi } from "./add-partitions-to-txn.ts";
import type { ApisNamed } from "./api.ts";
import { describeTransactionsApi } from "./describe-transactions.ts";
import { endTxnApi } from "./end-txn.ts";
import type { CoordinatorFinder } from "./find-coordinator.ts";
import { listTransactionsApi } from "./list-transactions.ts";
import type { TransactionService } from "./transaction-context.ts";

export interface TransactionApisParts {
  readonly transactions: TransactionService;
  readonly images: Pick<ImageSource, "current">;
  readonly finder: CoordinatorFinder;
  readonly clock: Clock;
}

/** What is asked of a transaction coordinator, InitProducerId aside. */
export function transactionApisOf({ transactions, images, finder, clock }: TransactionApisParts) {
  return {
    addPartitionsToTxn: addPartitionsToTxnApi(transactions, images),
    addOffsetsToTxn: addOffsetsToTxnApi(transactions, images, finder),
    endTxn: endTxnApi(transactions),
    describeTransactions: describeTransactionsApi(transactions),
    listTransactions: listTransactionsApi(transactions, clock),
  } satisfies Partial<ApisNamed<TransactionApiName>>;
}
