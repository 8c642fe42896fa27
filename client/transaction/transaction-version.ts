import { apis } from "../../protocol/messages/apis.ts";
import { raisedEpochVersion } from "../../protocol/messages/end-txn.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";

/**
 * By whose rules a transaction is written. 1: partitions are added before they are written to, and the epoch stays. 2 (KIP-890): a write
 * adds its partition, and the epoch rises with every transaction, so that what arrives late cannot land in the next one.
 */
export type TransactionVersion = 1 | 2;

const feature = "transaction.version";
/** From here on a Produce adds its partitions to the transaction. */
export const addingProduceVersion = 12;

/** What the coordinator's broker and its cluster are ready for. */
export function offeredVersion(connection: Pick<BrokerConnection, "finalizedLevel" | "versionOf">): TransactionVersion {
  const canEnd = (connection.versionOf(apis.endTxn) ?? 0) >= raisedEpochVersion;
  const canProduce = (connection.versionOf(apis.produce) ?? 0) >= addingProduceVersion;
  return connection.finalizedLevel(feature) >= 2 && canEnd && canProduce ? 2 : 1;
}
