import { sleep } from "../../protocol/base/clock.ts";
import { partitionKey, type TopicId, type TopicPartition, zeroTopicId } from "../../protocol/base/ids.ts";
import { backoffMs } from "../base/backoff.ts";
import type { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { AssignedPartition } from "../fetch/assigned-partition.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { type Isolation, listOffsets } from "../metadata/offset-lookup.ts";
import { topicsAt } from "./coordinator-topics.ts";
import type { GroupIdentity } from "./group-membership.ts";
import { type CommittedOffset, commitByIds, commitOffsets, fetchCommitted, type OffsetToCommit } from "./group-offsets.ts";

/** A group's position in a partition, and in which topic of that name. */
export interface FoundPosition extends CommittedOffset {
  /** The zero id: not known. */
  readonly topicId: TopicId;
  /** End of what is committed to the log; null: not requested. */
  readonly endOffset: number | null;
}

/** Of the topic that a position belongs to: it exists; it was deleted; or we and the coordinator do not agree yet. */
type Fate = "living" | "gone" | "waiting";
type Fates = Readonly<Record<Fate, readonly OffsetToCommit[]>>;

export interface PositionKeeperParts {
  readonly cluster: Cluster;
  readonly link: CoordinatorLink;
  readonly groupId: string;
  /** By which the ends of logs are meant. Default: everything. */
  readonly isolation?: Isolation;
  readonly partition: (key: string) => AssignedPartition | undefined;
}

/** How often a broker's and the coordinator's view of the topics are compared before what they disagree about is left open. */
const comparisonsMax = 20;
/** Metadata that was refreshed this often, each time without a topic that the coordinator does not know either, is right. */
const goneAfter = 3;
/** Topics whose positions were dropped are logged once; this many are remembered. */
const toldMax = 1_000;
/** Partitions that were ours and no longer are; for this many, the topic of what was handed out is remembered. */
const handedOutMax = 10_000;

/**
 * Reads and writes a group's positions. The protocol identifies topics by name; a topic that was deleted and re-created under the same name
 * is another one, in which no position of the old one means anything. So positions keep the id of the topic that their records were fetched
 * from, and are compared with the topic to which the coordinator resolves the name.
 */
export class PositionKeeper {
  readonly #parts: PositionKeeperParts;
  /** As last committed or found committed. */
  readonly #committed = new Map<string, { readonly offset: number; readonly topicId: TopicId }>();
  /**
   * Of partitions that were ours, in the order of their revocation: the topic of the last record handed out. A late commit of the
   * application, once they are back, refers to that one.
   */
  readonly #handedOut = new Map<string, TopicId>();
  readonly #told = new Set<TopicId>();

  constructor(parts: PositionKeeperParts) {
    this.#parts = parts;
  }

  /** It is ours from now on. */
  begin(partition: AssignedPartition, offset: number): void {
    const key = partitionKey(partition.topic, partition.partition);
    partition.handedOutTopicId = this.#handedOut.get(key) ?? zeroTopicId;
    this.#handedOut.delete(key);
    if (offset >= 0) this.#committed.set(key, { offset, topicId: partition.topicId });
  }

  /** It is no longer ours. */
  end({ topic, partition, handedOutTopicId }: AssignedPartition): void {
    const key = partitionKey(topic, partition);
    this.#committed.delete(key);
    if (handedOutTopicId === zeroTopicId) return;
    this.#handedOut.set(key, handedOutTopicId);
    const [oldest] = this.#handedOut.keys();
    if (this.#handedOut.size > handedOutMax && oldest !== undefined) this.#handedOut.delete(oldest);
  }

  isCommitted({ topic, partition, offset, topicId }: OffsetToCommit): boolean {
    const known = this.#committed.get(partitionKey(topic, partition));
    return known !== undefined && known.offset === offset && known.topicId === topicId;
  }

  /**
   * What the group has committed, and with `withEnds` where the logs end: first of all topics that we and the coordinator agree about, then
   * of each other one once we do. One that brokers disagree about for long must not delay those that were assigned with it.
   */
  async *find(
    partitions: readonly TopicPartition[],
    withEnds: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<readonly FoundPosition[], void> {
    const { metadata, runtime, settings } = this.#parts.cluster;
    let left = partitions;
    let refreshes = 0;
    for (let comparisons = 1; ; comparisons++) {
      const { found, standings } = await this.#compare(left, withEnds, refreshes >= goneAfter, signal);
      const isOpen = ({ topic }: TopicPartition) => comparisons < comparisonsMax && standings.get(topic) === "open";
      const settled = found.filter((each) => !isOpen(each));
      left = left.filter(isOpen);
      if (settled.length > 0) yield settled;
      if (left.length === 0) return;
      await sleep(runtime.clock, backoffMs(comparisons, settings, runtime.random), signal);
      // one that fails says nothing about any topic
      await metadata.refresh(signal).then(
        () => refreshes++,
        () => undefined,
      );
    }
  }

  /**
   * Race: (1) the offset that we get is of a topic that is being deleted; (2) metadata has the re-created topic, and the offset would be
   * taken for one in it. So the coordinator's topics before and after have to be the same, and those of the metadata.
   */
  async #compare(partitions: readonly TopicPartition[], withEnds: boolean, mayBeGone: boolean, signal: AbortSignal) {
    const { cluster, link, groupId } = this.#parts;
    const { metadata } = cluster;
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const comparable = topics.filter((topic) => metadata.topic(topic)?.topicId !== zeroTopicId);
    const ask = () => topicsAt(link, comparable, { deadlineMs: Number.POSITIVE_INFINITY, signal });
    const before = await ask();
    const committed = await fetchCommitted(link, groupId, partitions, Number.POSITIVE_INFINITY, signal);
    const ends = withEnds ? await this.#ends(partitions) : null;
    const after = await ask();
    const standings = new Map(
      topics.map((topic) => {
        const standing = standingOf(metadata.topic(topic)?.topicId, before.get(topic), after.get(topic));
        return [topic, standing === "gone" && !mayBeGone ? "open" : standing] as const;
      }),
    );
    const found = committed.map((each, i): FoundPosition => {
      const standing = standings.get(each.topic);
      const topicId = standing === "known" ? (after.get(each.topic) ?? zeroTopicId) : zeroTopicId;
      // a position found for a deleted topic is about to be removed, and must not be used for the next topic of that name
      const offset = standing === "gone" ? -1 : each.offset;
      return { ...each, offset, topicId, endOffset: ends?.[i] ?? null };
    });
    return { found, standings };
  }

  async #ends(partitions: readonly TopicPartition[]): Promise<readonly number[]> {
    const { cluster, isolation } = this.#parts;
    const deadlineMs = cluster.runtime.clock.monotonicMs() + cluster.settings.requestTimeoutMs;
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, spec: "latest" as const }));
    return (await listOffsets(cluster, queries, deadlineMs, isolation)).map(({ offset }) => offset);
  }

  /**
   * One attempt. A position in a deleted topic is dropped, with a warning in the log. Returns what has to wait, because the coordinator
   * does not know its topic as we do;
   * the others do not wait for it. Throws for the first partition that was refused.
   */
  async commit(by: GroupIdentity, offsets: readonly OffsetToCommit[]): Promise<readonly OffsetToCommit[]> {
    const { cluster, partition } = this.#parts;
    const { living, gone, waiting } = (await this.#commitByIds(by, offsets)) ?? (await this.#commitByNames(by, offsets));
    for (const each of gone) this.#tellOnce(each);
    if (waiting.length > 0) cluster.metadata.requestRefresh();
    for (const each of [...living, ...gone]) {
      const key = partitionKey(each.topic, each.partition);
      if (partition(key) !== undefined) this.#committed.set(key, { offset: each.offset, topicId: each.topicId ?? zeroTopicId });
    }
    return waiting;
  }

  /** Null: the coordinator accepts names only, or the id of some topic is not known. */
  async #commitByIds(by: GroupIdentity, offsets: readonly OffsetToCommit[]): Promise<Fates | null> {
    const { link, groupId, partition } = this.#parts;
    if (offsets.some(({ topicId = zeroTopicId }) => topicId === zeroTopicId)) return null;
    const isFormer = ({ topic, partition: index, topicId = zeroTopicId }: OffsetToCommit) =>
      partition(partitionKey(topic, index))?.isFormerTopic(topicId) === true;
    const sent = offsets.filter((each) => !isFormer(each));
    const unknown = sent.length === 0 ? [] : await commitByIds(link, groupId, by, sent);
    if (unknown === null) return null;
    const refused = new Set(unknown);
    return byFate(offsets, (each) => (isFormer(each) || refused.has(each) ? this.#fateOf(each, null) : "living"));
  }

  /**
   * The coordinator itself is asked, for it resolves the name to a topic, and just before the commit. A topic that is deleted and
   * re-created between the two would still be taken for the old one: the position from which the partition then starts over is committed
   * over it.
   */
  async #commitByNames(by: GroupIdentity, offsets: readonly OffsetToCommit[]): Promise<Fates> {
    const { link, groupId } = this.#parts;
    const withIds = offsets.filter(({ topicId = zeroTopicId }) => topicId !== zeroTopicId);
    const atCoordinator = await topicsAt(
      link,
      withIds.map(({ topic }) => topic),
    );
    const fates = byFate(offsets, (each) => this.#fateOf(each, atCoordinator.get(each.topic)));
    if (fates.living.length > 0) await commitOffsets(link, groupId, by, fates.living);
    return fates;
  }

  #fateOf({ topic, partition, topicId = zeroTopicId }: OffsetToCommit, there: TopicId | null | undefined): Fate {
    if (topicId === zeroTopicId) return "living";
    const ours = this.#parts.partition(partitionKey(topic, partition));
    if (ours?.isFormerTopic(topicId)) return "gone";
    if (there === undefined || there === zeroTopicId || there === topicId) return "living";
    // either the coordinator has not learned of our topic yet, or we have not learned of its deletion
    const isBehind = this.#parts.cluster.metadata.topic(topic)?.topicId === topicId || (there !== null && ours?.isFormerTopic(there));
    return isBehind ? "waiting" : "gone";
  }

  #tellOnce({ topic, partition, offset, topicId = zeroTopicId }: OffsetToCommit): void {
    if (this.#told.has(topicId)) return;
    if (this.#told.size >= toldMax) this.#told.clear();
    this.#told.add(topicId);
    this.#parts.cluster.runtime.log.warn(
      { group: this.#parts.groupId, topic, partition, offset, topicId },
      "the topic was deleted: its positions are not committed, for they mean nothing in one that is re-created under the same name",
    );
  }
}

function byFate(offsets: readonly OffsetToCommit[], fateOf: (each: OffsetToCommit) => Fate): Fates {
  const { living = [], gone = [], waiting = [] } = Object.fromEntries(Map.groupBy(offsets, fateOf));
  return { living, gone, waiting };
}

/**
 * What is known of the topic that a position was found for: that topic; none, for it was deleted; or nothing yet, because brokers disagree.
 */
function standingOf(
  ours: TopicId | undefined,
  before: TopicId | null | undefined,
  after: TopicId | null | undefined,
): "known" | "gone" | "open" {
  if (ours === undefined) return before === null && after === null ? "gone" : "open";
  if (ours === zeroTopicId || after === zeroTopicId) return "known";
  return before === ours && after === ours ? "known" : "open";
}
