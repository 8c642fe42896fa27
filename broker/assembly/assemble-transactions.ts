import type { BrokerOptions } from "../broker-options.ts";
import { statePartitions } from "../partition/internal-topic-partitions.ts";
import type { PartitionTable } from "../partition/partition-table.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import {
  type ClusterOfTransactions,
  TransactionCoordinator,
  type TransactionCoordinatorConfig,
} from "../transaction/transaction-coordinator.ts";
import { clientMemoryBytes } from "./shares.ts";

/** The coordinator of transactions, on the partitions of `__transaction_state` that this broker leads. */
export function assembleTransactions(
  { settings, clock, log, memoryBytes }: Pick<BrokerOptions, "settings" | "clock" | "log" | "memoryBytes">,
  table: PartitionTable,
  cluster: ClusterOfTransactions,
): TransactionCoordinator {
  return new TransactionCoordinator({
    partitions: { ...statePartitions(table), onLeadershipChanged: (listener) => table.onLeadershipChanged(listener) },
    cluster,
    clock,
    log: log.child({ part: "transaction" }),
    config: transactionConfig(settings, memoryBytes),
  });
}

/** Requests that may wait for the replicas at one partition. */
const waitingPerShardMax = 100_000;

/** A share of what clients' requests and answers may take, in addition to that. */
const memoryShare = 1 / 8;

function transactionConfig(settings: BrokerSettings, memoryBytes: number): TransactionCoordinatorConfig {
  const { groups, transactions } = settings;
  const { timeoutCheckMs, expirationMs, expirationCheckMs, timeoutMaxMs, loadBufferBytes } = transactions;
  return {
    machine: { timeoutCheckMs, expirationMs, expirationCheckMs },
    shard: { commitTimeoutMs: groups.commitTimeoutMs, loadBufferBytes, waitingMax: waitingPerShardMax },
    timeoutMaxMs,
    memoryBytesMax: clientMemoryBytes(settings, memoryBytes) * memoryShare,
  };
}
