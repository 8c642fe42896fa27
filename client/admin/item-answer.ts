import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";

/** What a broker answered about one item of a request. */
export interface ItemAnswer<T> {
  readonly key: string;
  readonly errorCode: KafkaErrorCode;
  readonly errorMessage: string | null;
  readonly value: T | undefined;
  /** Not retried, whatever the code says. */
  readonly isFinal?: boolean;
}

/**
 * Temporary failures. An unknown topic is not one: nothing here creates it. An unknown id is: it was looked up at a broker that is behind.
 */
export function shouldAskAgain(code: KafkaErrorCode): boolean {
  return (
    code === "NOT_CONTROLLER" ||
    code === "COORDINATOR_NOT_AVAILABLE" ||
    code === "LEADER_NOT_AVAILABLE" ||
    code === "UNKNOWN_TOPIC_ID" ||
    code === "THROTTLING_QUOTA_EXCEEDED" ||
    code === "NETWORK_EXCEPTION"
  );
}
