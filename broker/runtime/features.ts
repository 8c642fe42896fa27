import type { FinalizedFeatures, SupportedFeatures } from "../../protocol/base/features.ts";

/**
 * How transactions work, by Kafka's name and levels (KIP-890): from 1 on the coordinator's records may have fields that older readers skip;
 * from 2 on the producer's epoch rises with each transaction.
 */
export const transactionVersionName = "transaction.version";

/** What this version of the broker can act by. */
export const supportedFeatures: SupportedFeatures = new Map([[transactionVersionName, { min: 0, max: 2 }]]);

/** The level in force; 0 also where it is one that we know nothing of: at that level nothing is done that anybody could not understand. */
export function transactionVersionOf({ levels }: FinalizedFeatures): 0 | 1 | 2 {
  const level = levels.get(transactionVersionName);
  return level === 1 || level === 2 ? level : 0;
}
