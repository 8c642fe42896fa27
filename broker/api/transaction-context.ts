import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import type { TransactionCoordinator } from "../transaction/transaction-coordinator.ts";
import { transactionStateTopic } from "../transaction/transaction-records.ts";
import { partitionRecord } from "./leader-hints.ts";

/** What the APIs of transactions need of the coordinator. */
export type TransactionService = Pick<TransactionCoordinator, "run" | "runWithId" | "verify" | "list" | "allowsTimeout">;

/** Clients from before `since` know a fenced producer by the older error. */
export function fencedAs(error: KafkaErrorCode, apiVersion: number, since: number): KafkaErrorCode {
  return error === "PRODUCER_FENCED" && apiVersion < since ? "INVALID_PRODUCER_EPOCH" : error;
}

/** Why a partition cannot be in a transaction; null: it can. The coordinator's own log gets no markers. */
export function whyNotIn(image: ClusterImage, place: TopicPartition): KafkaErrorCode | null {
  if (place.topic === transactionStateTopic) return "INVALID_TOPIC_EXCEPTION";
  return partitionRecord(image, place) === undefined ? "UNKNOWN_TOPIC_OR_PARTITION" : null;
}
