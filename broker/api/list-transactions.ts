import type { Clock } from "../../protocol/base/clock.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type ListTransactionsRequest,
  type ListTransactionsResponse,
  listTransactionsRequest,
  listTransactionsResponse,
} from "../../protocol/messages/list-transactions.ts";
import { PatternCompiler } from "../group/patterns/pattern-compiler.ts";
import type { TopicPattern } from "../group/patterns/topic-pattern.ts";
import { isPrepared, type Transaction, transactionStates } from "../transaction/transaction.ts";
import type { Api } from "./api.ts";
import { type RequestMeter, roughBytes } from "./request-meter.ts";
import type { TransactionService } from "./transaction-context.ts";

type Listed = ListTransactionsResponse["transactionStates"][number];

/** Of an expression: ids may be as long as 32 KB, and each is matched in one turn. */
const stepsPerCharacterMax = 500;

/**
 * Behavior: the transactional ids that this broker coordinates; a client asks every broker. COORDINATOR_LOAD_IN_PROGRESS: there are more,
 * which are still being loaded. States that do not exist are told, and match nothing.
 * Version notes: a filter for how long a transaction has been open since 1 (KIP-994); one for ids since 2 (KIP-1152), an expression of RE2
 * that has to match the whole id; letters beyond ASCII it does not match. INVALID_REGULAR_EXPRESSION when it cannot be read or is too
 * large, COORDINATOR_NOT_AVAILABLE when too many came just before.
 */
export function listTransactionsApi(
  transactions: Pick<TransactionService, "list">,
  clock: Clock,
): Api<ListTransactionsRequest, ListTransactionsResponse> {
  const compiler = new PatternCompiler();
  return {
    request: listTransactionsRequest,
    response: listTransactionsResponse,
    async handle(request, { meter }) {
      const { stateFilters, transactionalIdPattern: source } = request;
      const pattern = source === null || source === "" ? null : compiled(compiler, source, clock);
      if (typeof pattern === "string") return answer(pattern, [], []);
      const known = new Set<string>(transactionStates);
      const unknown = [...new Set(stateFilters)].filter((name) => !known.has(name));
      const listed = await transactions.list();
      const isWanted = filterOf(request, pattern, clock.nowMs());
      return answer(listed.error ?? "NONE", unknown, await wantedOf(listed.transactions, isWanted, meter));
    },
  };
}

function compiled(compiler: PatternCompiler, source: string, clock: Clock): TopicPattern | KafkaError {
  const admitted = compiler.admit(source, clock.monotonicMs());
  if (admitted === null) return "COORDINATOR_NOT_AVAILABLE";
  if ("fault" in admitted || admitted.stepsPerCharacter > stepsPerCharacterMax) return "INVALID_REGULAR_EXPRESSION";
  return admitted;
}

function filterOf(
  { stateFilters, producerIdFilters, durationFilter }: ListTransactionsRequest,
  pattern: TopicPattern | null,
  nowMs: number,
): (transaction: Transaction) => boolean {
  const states = new Set(stateFilters);
  const producers = new Set(producerIdFilters);
  return ({ transactionalId, producerId, state, startedMs }) => {
    if (states.size > 0 && !states.has(state)) return false;
    if (producers.size > 0 && !producers.has(producerId)) return false;
    const isOpen = state === "Ongoing" || isPrepared(state);
    if (durationFilter >= 0 && !(isOpen && nowMs - startedMs > durationFilter)) return false;
    return pattern === null || pattern.matches(transactionalId);
  };
}

/** There may be very many, also of those that are not wanted: others get their turns in between. */
async function wantedOf(
  transactions: readonly Transaction[],
  isWanted: (transaction: Transaction) => boolean,
  meter: RequestMeter,
): Promise<Listed[]> {
  const wanted: Listed[] = [];
  for (const transaction of transactions) {
    if (isWanted(transaction)) {
      const { transactionalId, producerId, state: transactionState } = transaction;
      const listed = { transactionalId, producerId, transactionState };
      meter.take(roughBytes(listed));
      wanted.push(listed);
    }
    const pause = meter.pause();
    if (pause !== null) await pause;
  }
  return wanted;
}

function answer(
  errorCode: KafkaErrorCode,
  unknownStateFilters: readonly string[],
  transactionStates: readonly Listed[],
): ListTransactionsResponse {
  return { throttleTimeMs: 0, errorCode, unknownStateFilters, transactionStates };
}
