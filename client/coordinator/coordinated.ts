import type { RetrySubject } from "../base/retries.ts";

/** What has a coordinator: which broker that is follows from the name, through the partitions of a topic. */
export interface Coordinated extends RetrySubject {
  readonly id: string;
  /** As FindCoordinator tells them apart. */
  readonly keyType: number;
  /** Where coordinators keep what they know; its partitions' leaders coordinate. */
  readonly topic: string;
}

export function groupCoordinator(groupId: string): Coordinated {
  return { id: groupId, keyType: 0, topic: "__consumer_offsets", what: `group ${groupId}` };
}

export function transactionCoordinator(transactionalId: string): Coordinated {
  return { id: transactionalId, keyType: 1, topic: "__transaction_state", what: `transactional id ${transactionalId}` };
}
