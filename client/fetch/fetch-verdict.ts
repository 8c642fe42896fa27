import { isRetriable, type KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ResetPolicy } from "./assigned-partition.ts";

/** What is done about an error that a fetch brought for one partition. */
export type FetchVerdict =
  | { readonly kind: "reset"; readonly to: "earliest" | "latest" }
  /** Ask again after a pause; the leader may be another. */
  | { readonly kind: "retry"; readonly refreshMetadata: boolean }
  | { readonly kind: "out-of-range" }
  | { readonly kind: "fail" };

export function judgeFetchError(code: KafkaError, policy: ResetPolicy): FetchVerdict {
  if (code === "OFFSET_OUT_OF_RANGE") return policy === "none" ? { kind: "out-of-range" } : { kind: "reset", to: policy };
  // the only copy there is, is damaged there: asking again would go on for ever
  if (code === "CORRUPT_MESSAGE") return { kind: "fail" };
  if (isRetriable(code)) return { kind: "retry", refreshMetadata: code !== "OFFSET_NOT_AVAILABLE" };
  return { kind: "fail" };
}
