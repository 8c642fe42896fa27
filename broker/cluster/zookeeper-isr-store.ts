import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "../../coordinator-client/coordinator.ts";
import { readPartitionState } from "../../coordinator-client/read-partition-state.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { encodePartitionState, stillRecovering } from "../../coordinator-client/znodes/partition-state.ts";
import { partitionStatePath, topicIdPath } from "../../coordinator-client/znodes/paths.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import type { IsrEpochs } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import type { IsrChangeRequest, IsrStore, IsrWriteResult } from "../partition/cluster-contract.ts";
import type { ClusterImage, ImageSource } from "./cluster-image.ts";
import type { IsrReport } from "./controller-reports.ts";

export interface IsrStoreParts {
  readonly coordinator: Coordinator;
  readonly images: ImageSource;
  /** The set in force is reported to the controller. */
  readonly reporter: { report(change: IsrReport): void };
  readonly clock: Clock;
}

/** A change that waits for its transaction. */
interface Writing {
  readonly change: IsrChangeRequest;
  readonly write: WriteOperation;
  readonly isAwaited: () => boolean;
  readonly settle: (result: IsrWriteResult | Promise<IsrWriteResult>) => void;
}

/** Partitions in one transaction: some 20 KB. */
const writtenTogetherMax = 100;
/** Where one conflict after the other is found, most are out of date, and each is written by itself. */
const conflictsTogetherMax = 3;

/**
 * Transactions on their way with changes that nobody waits for. Those of all partitions at once would be what the coordinator is busy with
 * when leaders are to be elected for the others.
 */
const unhurriedMax = 2;

/**
 * A leader's in-sync set in the state znode: compare-and-set on its version, by the leader that the znode names for that epoch. What
 * changes in one turn of the loop is written together. When a broker is gone, thousands of sets change at once: what records wait for is
 * written at once, the rest little by little.
 */
export class ZookeeperIsrStore implements IsrStore {
  readonly #parts: IsrStoreParts;
  /** In the order in which they came. */
  #waiting: Writing[] = [];
  #isScheduled = false;
  #unhurried = 0;

  constructor(parts: IsrStoreParts) {
    this.#parts = parts;
  }

  async writeIsr(change: IsrChangeRequest, isAwaited = () => false): Promise<IsrWriteResult> {
    invariant(change.isr.includes(change.leader), "a leader is in the in-sync set it writes", () => change);
    const { images } = this.#parts;
    const record = ledRecord(images.current, change);
    if (record === null) return { kind: "fenced" };
    const { leader, leaderEpoch, isr, isrEpochs, expectedVersion } = change;
    const { controllerEpoch } = images.current;
    const leaderRecovering = stillRecovering(record, isr);
    const data = encodePartitionState({ leader, leaderEpoch, isr, isrEpochs, controllerEpoch, leaderRecovering });
    const write = { kind: "set", path: statePathOf(change), data, version: expectedVersion } as const;
    const { promise, resolve } = Promise.withResolvers<IsrWriteResult>();
    this.#waiting.push({ change, write, isAwaited, settle: resolve });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.clock.schedule(0, () => {
      this.#isScheduled = false;
      this.#writeWaiting();
    });
  }

  #writeWaiting(): void {
    const { awaited = [], others = [] } = Object.groupBy(this.#waiting, ({ isAwaited }) => (isAwaited() ? "awaited" : "others"));
    for (let from = 0; from < awaited.length; from += writtenTogetherMax) void this.#write(awaited.slice(from, from + writtenTogetherMax));
    let from = 0;
    for (; from < others.length && this.#unhurried < unhurriedMax; from += writtenTogetherMax)
      void this.#writeUnhurried(others.slice(from, from + writtenTogetherMax));
    this.#waiting = others.slice(from);
  }

  async #writeUnhurried(writings: readonly Writing[]): Promise<void> {
    this.#unhurried++;
    await this.#write(writings);
    this.#unhurried--;
    if (this.#waiting.length > 0) this.#schedule();
  }

  async #write(writings: readonly Writing[], conflicts = 0): Promise<void> {
    if (writings.length === 0) return;
    await this.#writeTogether(writings, conflicts).catch((error: unknown) => {
      for (const { settle } of writings) settle(Promise.reject(error));
    });
  }

  /**
   * Race: (1) the topic is deleted, and this leader cannot be reached; (2) one of the same name is created, its states at version 0 as ours
   * was; (3) our followers are gone, so we shrink the in-sync set at version 0. Without the check of the id this would put us in the place
   * of the new topic's leader.
   */
  async #writeTogether(writings: readonly Writing[], conflicts: number): Promise<void> {
    const checks = new Map<string, WriteOperation>();
    for (const { change } of writings) {
      const path = topicIdPath(change.topic, change.topicId);
      checks.set(path, { kind: "check", path, version: -1 });
    }
    const result = await this.#parts.coordinator.write([...checks.values(), ...writings.map(({ write }) => write)]);
    if (result.kind === "conflict" && writings.length > 1)
      return this.#writeOthers(writings, result.failedIndex - checks.size, conflicts + 1);
    for (const [index, { change, settle }] of writings.entries()) {
      switch (result.kind) {
        case "written":
          settle(this.#written(change, result.results[checks.size + index]!.version));
          break;
        case "conflict":
          // The topic is gone, as the metadata will show; or another tool created it, and the next controller adds the node. Until then the
          // stricter set stands.
          settle(result.failedIndex < checks.size ? { kind: "unknown" } : this.#compare(change, result.kind));
          break;
        case "unknown":
          settle(this.#compare(change, result.kind));
          break;
      }
    }
  }

  /** `at`: the first that failed; below 0 a topic is gone. The server looked at those before it, and not at those after it. */
  async #writeOthers(writings: readonly Writing[], at: number, conflicts: number): Promise<void> {
    const isByItself = at < 0 || conflicts >= conflictsTogetherMax;
    const groups = isByItself
      ? writings.map((writing) => [writing])
      : [writings.slice(0, at), writings.slice(at, at + 1), writings.slice(at + 1)];
    await Promise.all(groups.map((group) => this.#write(group, conflicts)));
  }

  #written(change: IsrChangeRequest, stateVersion: number): IsrWriteResult {
    this.#report(change, change, stateVersion);
    return { kind: "written", stateVersion };
  }

  /**
   * What is there instead. After a lost answer a read may be older than our write: then it shows the version we started from, which proves
   * nothing, and the partition asks again. The next version with our leadership and our set is our own write: only the controller also
   * writes in the name of this leader and epoch, and if it wrote the same set, that is as good.
   */
  async #compare(change: IsrChangeRequest, after: "conflict" | "unknown"): Promise<IsrWriteResult> {
    const found = await this.#read(change);
    if (found === "unavailable") return { kind: "unknown" };
    // a deleted topic's state does not come back under the same id
    if (found === null) return after === "conflict" ? { kind: "fenced" } : { kind: "unknown" };
    const { state } = found;
    const { stateVersion } = state;
    if (stateVersion < change.expectedVersion || (stateVersion === change.expectedVersion && after === "unknown"))
      return { kind: "unknown" };
    if (state.leader !== change.leader || state.leaderEpoch !== change.leaderEpoch) return { kind: "fenced" };
    if (after === "unknown" && stateVersion === change.expectedVersion + 1 && sameMembers(state, change))
      return this.#written(change, stateVersion);
    this.#report(change, state, stateVersion);
    return { kind: "conflict", isr: state.isr, isrEpochs: state.isrEpochs, stateVersion };
  }

  async #read({ topic, partition }: IsrChangeRequest) {
    try {
      return await readPartitionState(this.#parts.coordinator, topic, partition);
    } catch (error) {
      // a node that cannot be read may be repaired; until then the stricter set stands
      if (error instanceof CoordinatorUnavailable || error instanceof MalformedZnode) return "unavailable" as const;
      throw error;
    }
  }

  #report({ topicId, partition, leaderEpoch }: IsrChangeRequest, { isr, isrEpochs }: Members, stateVersion: number): void {
    this.#parts.reporter.report({ topicId, partition, leaderEpoch, isr, isrEpochs, stateVersion });
  }
}

function statePathOf({ topic, partition }: IsrChangeRequest): string {
  return partitionStatePath(topic, partition);
}

/** The partition's state in the image, if we lead it in this epoch there. */
function ledRecord(image: ClusterImage, { topic, topicId, partition, leader, leaderEpoch }: IsrChangeRequest): PartitionRecord | null {
  const known = image.topics.get(topic);
  const record = known?.id === topicId ? known.partitions[partition] : undefined;
  return record?.leader === leader && record.leaderEpoch === leaderEpoch ? record : null;
}

interface Members {
  readonly isr: readonly number[];
  readonly isrEpochs: IsrEpochs;
}

/** With the same registrations. */
function sameMembers(a: Members, b: Members): boolean {
  return a.isr.length === b.isr.length && a.isr.every((id) => b.isr.includes(id) && a.isrEpochs[id] === b.isrEpochs[id]);
}
