import { type Coordinator, CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { readMany } from "../../coordinator-client/read-many.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { decodePartitionState } from "../../coordinator-client/znodes/partition-state.ts";
import { partitionStatePath, partitionsPath, topicsPath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";

export interface ReplacedDirectoryParts {
  readonly coordinator: Coordinator;
  readonly brokerId: BrokerId;
  readonly clock: Clock;
  readonly log: Logger;
  /** Folders of the logs that this broker still has (`topic-3`). */
  readonly remaining: ReadonlySet<string>;
}

/**
 * Longer than brokers that were stopped together take to restart; not for ever, or a cluster whose directories are all new would never
 * start.
 */
const waitMaxMs = 60_000;
const lookEveryMs = 500;

/**
 * To be awaited before a new, empty data directory is marked as this broker's, and so before it registers; and before it registers without
 * a directory that cannot be used. The disk of a known broker may have been replaced: (1) all brokers were down, and the coordinator still
 * has this one in sync with others; (2) it restarts first and, being alone, is elected without a record; (3) the others restart, and
 * truncate all they have.
 *
 * So it waits until the others lead, which removes it from the in-sync sets, and then joins as a follower that copies everything. Where it
 * is the only one in sync there is nothing to wait for.
 */
export async function awaitOthersInSync({ coordinator, brokerId, clock, log, remaining }: ReplacedDirectoryParts): Promise<void> {
  const deadlineMs = clock.monotonicMs() + waitMaxMs;
  let paths: readonly string[] | null = null;
  for (let looks = 0; ; looks++) {
    try {
      paths = await stillShared(coordinator, brokerId, paths ?? (await statePaths(coordinator, remaining)));
      if (paths.length === 0) return;
      if (looks === 0)
        log.warn(
          { partitions: paths.length, first: paths[0], waitMaxMs },
          "a data directory is new or cannot be used, but this broker is known to be in sync for partitions that it has no log of: waiting for others that have them to lead",
        );
    } catch (error) {
      if (!(error instanceof CoordinatorUnavailable) || coordinator.state === "closed") throw error;
    }
    if (clock.monotonicMs() >= deadlineMs) break;
    await sleep(clock, lookEveryMs);
  }
  log.error(
    { partitions: paths?.length ?? null },
    "nobody else came to lead them: joining without their logs; what only this broker had in a replaced directory is lost",
  );
}

/** Of the partitions that this broker has no log of. */
async function statePaths(coordinator: Coordinator, remaining: ReadonlySet<string>): Promise<string[]> {
  const paths: string[] = [];
  for (const topic of (await coordinator.children(topicsPath))?.names ?? [])
    for (const partition of (await coordinator.children(partitionsPath(topic)))?.names ?? [])
      if (!remaining.has(`${topic}-${partition}`)) paths.push(partitionStatePath(topic, Number(partition)));
  return paths;
}

/** Those whose in-sync set has this broker and others. */
async function stillShared(coordinator: Coordinator, brokerId: BrokerId, paths: readonly string[]): Promise<string[]> {
  const nodes = await readMany(coordinator, paths);
  return paths.filter((path, index) => {
    const node = nodes[index];
    if (node === null || node === undefined) return false;
    try {
      const { isr } = decodePartitionState(path, node.data);
      return isr.includes(brokerId) && isr.length > 1;
    } catch (error) {
      // no broker is elected from a state that cannot be read, either
      if (error instanceof MalformedZnode) return false;
      throw error;
    }
  });
}
