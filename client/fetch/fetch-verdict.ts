import { isRetriable, type KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ResetPolicy } from "./assigned-partition.ts";

/** How an error in a fetch's answer for one partition is handled. */
export type FetchVerdict =
  | { readonly kind: "reset"; readonly to: "earliest" | "latest" }
  /** Retry after a pause; the leader may have changed. */
  | { readonly kind: "retry"; readonly refreshMetadata: boolean }
  | { readonly kind: "out-of-range" }
  | { readonly kind: "fail" };

export function judgeFetchError(code: KafkaError, policy: ResetPolicy): FetchVerdict {
  if (code === "OFFSET_OUT_OF_RANGE") return policy === "none" ? { kind: "out-of-range" } : { kind: "reset", to: policy };
  // the only copy is damaged there: retries would never end
  if (code === "CORRUPT_MESSAGE") return { kind: "fail" };
  if (isRetriable(code)) return { kind: "retry", refreshMetadata: code !== "OFFSET_NOT_AVAILABLE" };
  return { kind: "fail" };
}
