import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import {
  type DescribeTransactionsRequest,
  type DescribeTransactionsResponse,
  describeTransactionsRequest,
  describeTransactionsResponse,
} from "../../protocol/messages/describe-transactions.ts";
import type { DescribedTransaction } from "../transaction/transaction-machine.ts";
import type { Api } from "./api.ts";
import { answerEach } from "./request-meter.ts";
import type { TransactionService } from "./transaction-context.ts";

type Described = DescribeTransactionsResponse["transactionStates"][number];

/**
 * Behavior: the state of transactional ids that this broker coordinates, with the partitions of what is open; while it is being ended,
 * those that have no marker yet. An id that does not exist is TRANSACTIONAL_ID_NOT_FOUND.
 */
export function describeTransactionsApi(
  transactions: Pick<TransactionService, "run">,
): Api<DescribeTransactionsRequest, DescribeTransactionsResponse> {
  return {
    request: describeTransactionsRequest,
    response: describeTransactionsResponse,
    async handle({ transactionalIds }, { meter }) {
      const transactionStates = await answerEach(new Set(transactionalIds), meter, async (transactionalId) => {
        const ran = await transactions.run<DescribedTransaction | null>(transactionalId, (machine) => machine.describe(transactionalId));
        if (ran.error !== null) return undescribed(transactionalId, ran.error);
        return ran.value === null ? undescribed(transactionalId, "TRANSACTIONAL_ID_NOT_FOUND") : described(ran.value);
      });
      return { throttleTimeMs: 0, transactionStates };
    },
  };
}

function described({ transaction, partitions }: DescribedTransaction): Described {
  const topics = Map.groupBy(partitions, ({ topic }) => topic);
  return {
    errorCode: "NONE",
    transactionalId: transaction.transactionalId,
    transactionState: transaction.state,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStartTimeMs: transaction.startedMs,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    topics: [...topics].map(([topic, places]) => ({ topic, partitions: places.map(({ partition }) => partition) })),
  };
}

function undescribed(transactionalId: string, errorCode: KafkaError): Described {
  const none = { transactionState: "", transactionTimeoutMs: 0, transactionStartTimeMs: 0, producerId: 0, producerEpoch: 0, topics: [] };
  return { errorCode, transactionalId, ...none };
}
