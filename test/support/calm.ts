import { type Admin, orThrow, type PartitionMetadata } from "../../client/index.ts";
import { waitUntil } from "./wait-until.ts";

const inSyncMaxMs = 60_000;
const balancedMaxMs = 60_000;

export async function partitionsOf(admin: Admin, topic: string): Promise<readonly PartitionMetadata[]> {
  const [described] = orThrow(await admin.describeTopics([topic]));
  return described?.partitions ?? [];
}

/** Fails unless every partition has a leader, and every replica gets in sync. */
export async function becomesInSync(admin: Admin, topic: string): Promise<void> {
  const isInSync = async () =>
    (await partitionsOf(admin, topic)).every(({ leader, isr, replicas }) => leader > 0 && isr.length === replicas.length);
  await waitUntil("every replica to be in sync", isInSync, { timeoutMs: inSyncMaxMs });
}

/**
 * Once every broker leads what it is preferred for, no leader moves by itself. It is asked for: a broker whose session has ended would lead
 * again after minutes only.
 */
export async function becomesBalanced(admin: Admin, topic: string): Promise<void> {
  const isBalanced = async () => {
    await admin.electLeaders("preferred");
    return (await partitionsOf(admin, topic)).every(({ leader, replicas }) => leader === replicas[0]);
  };
  await waitUntil("every broker to lead what it is preferred for", isBalanced, { timeoutMs: balancedMaxMs, pauseMs: 500 });
}
