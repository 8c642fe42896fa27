import type { ClusterNotes, NotedTopic } from "../../broker/disk-format.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { DirectoryInventory, InventoriedLog } from "../offline/inventory.ts";

/** A cluster as it is to be written into an empty ZooKeeper. */
export interface RecoveryPlan {
  readonly clusterId: string;
  readonly controllerEpoch: number;
  readonly topics: readonly RecoveredTopic[];
  readonly brokerConfigs: ClusterNotes["brokerConfigs"];
  /** Above every id that was handed out. */
  readonly firstProducerId: number;
  /** What an operator should know before it is executed. */
  readonly warnings: readonly string[];
}

export interface RecoveredTopic extends NotedTopic {
  /** By partition; null: a new one, with nothing in it. */
  readonly states: readonly (RecoveredState | null)[];
}

/** No leader yet: the first controller elects one of these, under the next epoch. */
export interface RecoveredState {
  readonly leaderEpoch: number;
  readonly isr: readonly BrokerId[];
  /** A replica is lost: another may have to truncate records that it knows to be committed, if only the lost one had all of them. */
  readonly isUnclean: boolean;
}

export interface PlanInputs {
  readonly inventories: readonly DirectoryInventory[];
  /** Brokers whose disks are known to be lost: they have nothing left. */
  readonly without: ReadonlySet<BrokerId>;
  readonly nowMs: number;
}

/** Why no plan can be made, human-readable. */
export class NoPlan extends Error {
  override readonly name = "NoPlan";
}

const producerIdsPerSecond = 1000;
/**
 * Above what any of these disks knows. Otherwise: (1) a broker that is missing here led an epoch of which no other has a record; (2) the
 * first election assigns the same epoch; (3) that broker comes back, and its records of that epoch look like the leader's. And a broker
 * that has seen a newer controller would take this ZooKeeper for an old one.
 */
const epochMargin = 1_000;
/** For a topic whose settings are unknown: nothing in it is to be deleted before an operator has checked. */
const keepEverything = { "retention.ms": "-1", "retention.bytes": "-1" } as const;
const internalPolicies: Readonly<Record<string, string>> = { __consumer_offsets: "compact", __transaction_state: "compact" };

interface Copy extends InventoriedLog {
  readonly brokerId: BrokerId;
}

/**
 * The rule that decides which replicas count as in sync: those with the last batch of the highest leader epoch and, of these, the longest
 * logs. A replica with a batch of an epoch has the log that the epoch's leader had before that batch, and that leader came from the in-sync
 * set, with everything acknowledged. So none of the others has an acknowledged record that these lack, as long as there were no unclean
 * elections, and all disks are present. A replica on a missing disk might have more: hence `without`, to declare it lost.
 */
export function planRecovery({ inventories, without, nowMs }: PlanInputs): RecoveryPlan {
  const clusterId = sameCluster(inventories);
  const warnings = inventories.flatMap(({ doubts }) => doubts);
  const notes = newestNotes(inventories);
  if (notes === null)
    warnings.push(
      "no directory has notes of the topics (ottla-cluster): their settings are lost, and replicas are taken to be where their logs lie",
    );
  const copies = inventories.flatMap(({ brokerId, logs }) => logs.map((log): Copy => ({ brokerId, ...log })));
  const here = new Set(inventories.map(({ brokerId }) => brokerId));
  const noted = notes?.topics ?? [];
  const topics = [...noted, ...unnotedTopics(copies, notes, inventories, warnings)];
  checkAllHere(topics, here, without);
  tellOfStrays(inventories, warnings);
  const missing = new Map<BrokerId, string[]>();
  const byPlace = Map.groupBy(copies, ({ topicId, partition }) => `${topicId}:${partition}`);
  const recovered = topics.map((topic): RecoveredTopic => {
    const states = topic.assignment.map((replicas, partition) => {
      const found = (byPlace.get(`${topic.id}:${partition}`) ?? []).filter(({ brokerId }) => replicas.includes(brokerId));
      const lost = replicas.filter((id) => without.has(id));
      const lacking = replicas.filter((id) => here.has(id) && !found.some(({ brokerId }) => brokerId === id));
      for (const id of lacking) missing.set(id, [...(missing.get(id) ?? []), `${topic.name}-${partition}`]);
      if (found.length > 0) return stateOf(found, lost.length + lacking.length > 0);
      if (lost.length > 0)
        warnings.push(`what ${topic.name}-${partition} had, brokers that are lost had alone (${lost.join(", ")}): it begins empty`);
      return null;
    });
    return { ...topic, states };
  });
  for (const [id, logs] of missing)
    warnings.push(
      `broker ${id} has no log of ${shown(logs)} in the directories that were named: if it has others (log.dirs), name them too; else what it alone had of these is lost`,
    );
  const epochs = inventories.map(({ controllerEpoch, notes: own }) => Math.max(controllerEpoch, own?.controllerEpoch ?? -1));
  const producerIdMax = Math.max(-1, ...copies.map((copy) => copy.producerIdMax));
  return {
    clusterId,
    controllerEpoch: Math.max(0, ...epochs) + epochMargin,
    topics: recovered.sort((a, b) => (a.name < b.name ? -1 : 1)),
    brokerConfigs: notes?.brokerConfigs ?? {},
    // The disks do not say which ids were handed out: some were never used. No cluster hands out a thousand in each second since 1970.
    firstProducerId: Math.max(producerIdMax + 1, Math.floor(nowMs / 1000) * producerIdsPerSecond),
    warnings,
  };
}

function sameCluster(inventories: readonly DirectoryInventory[]): string {
  const [first, ...others] = inventories;
  if (first === undefined) throw new NoPlan("no log directory is given");
  const other = others.find(({ clusterId }) => clusterId !== first.clusterId);
  if (other !== undefined)
    throw new NoPlan(
      `${first.directory} is of cluster ${first.clusterId}, but ${other.directory} is of cluster ${other.clusterId}: name the directories of one cluster`,
    );
  return first.clusterId;
}

function newestNotes(inventories: readonly DirectoryInventory[]): ClusterNotes | null {
  const all = inventories.flatMap(({ notes }) => notes ?? []);
  return all.reduce<ClusterNotes | null>((newest, each) => (newest === null || isNewer(each, newest) ? each : newest), null);
}

function isNewer(a: ClusterNotes, b: ClusterNotes): boolean {
  return a.controllerEpoch > b.controllerEpoch || (a.controllerEpoch === b.controllerEpoch && a.writtenMs > b.writtenMs);
}

/**
 * Topics whose logs exist though the newest notes lack them. Those in older notes were deleted since; the others are newer than the notes.
 */
function unnotedTopics(
  copies: readonly Copy[],
  notes: ClusterNotes | null,
  inventories: readonly DirectoryInventory[],
  warnings: string[],
): NotedTopic[] {
  const known = new Set(notes?.topics.map(({ id }) => id));
  const names = new Set(notes?.topics.map(({ name }) => name));
  const older = inventories.flatMap(({ notes: own }) => own ?? []);
  const unnoted = Map.groupBy(
    copies.filter(({ topicId }) => !known.has(topicId)),
    ({ topicId }) => topicId,
  );
  const topics: NotedTopic[] = [];
  for (const [id, logs] of unnoted) {
    const [{ topic: name }] = logs as [Copy, ...Copy[]];
    const noting = older.filter(({ topics: noted }) => noted.some((topic) => topic.id === id));
    // within one epoch, it is unknown which clock is right
    const isDeleted = noting.length > 0 && noting.every(({ controllerEpoch }) => controllerEpoch < (notes?.controllerEpoch ?? -1));
    if (isDeleted) warnings.push(`${name} (id ${id}) was deleted: its logs are left where they are, and are not part of the cluster`);
    else if (names.has(name))
      warnings.push(`${name} (id ${id}) has the name of a newer topic: its logs are left where they are, and are not part of the cluster`);
    else if (noting.length > 0) {
      names.add(name);
      topics.push(...noting[0]!.topics.filter((topic) => topic.id === id));
      warnings.push(`whether ${name} (id ${id}) is newer than the newest notes, or was deleted, cannot be told: it is taken up`);
    } else {
      names.add(name);
      const policy = internalPolicies[name];
      topics.push({
        name,
        id,
        assignment: assignmentFrom(logs),
        config: policy === undefined ? keepEverything : { "cleanup.policy": policy },
      });
      if (policy === undefined)
        warnings.push(
          `of ${name} nobody knows the settings: it keeps everything (retention.ms=-1, retention.bytes=-1) until you set them; with cleanup.policy=compact if it was compacted`,
        );
    }
  }
  return topics;
}

/** A replica is where a log is. The preferred leaders are assigned round robin. */
function assignmentFrom(logs: readonly Copy[]): BrokerId[][] {
  const count = Math.max(...logs.map(({ partition }) => partition)) + 1;
  const all = [...new Set(logs.map(({ brokerId }) => brokerId))].sort((a, b) => a - b);
  return Array.from({ length: count }, (_, partition) => {
    const ids = [...new Set(logs.filter((log) => log.partition === partition).map(({ brokerId }) => brokerId))].sort((a, b) => a - b);
    const replicas = ids.length === 0 ? all : ids;
    const first = partition % replicas.length;
    return [...replicas.slice(first), ...replicas.slice(0, first)];
  });
}

function checkAllHere(topics: readonly NotedTopic[], here: ReadonlySet<BrokerId>, without: ReadonlySet<BrokerId>): void {
  const both = [...without].filter((id) => here.has(id));
  if (both.length > 0)
    throw new NoPlan(`broker ${both[0]} is said to be lost, but its log directories are here: leave out --without ${both[0]}`);
  const assigned = new Set(topics.flatMap(({ assignment }) => assignment.flat()));
  const missing = [...assigned].filter((id) => !here.has(id) && !without.has(id)).sort((a, b) => a - b);
  if (missing.length === 0) return;
  const [brokers, disks] = missing.length === 1 ? [`broker ${missing[0]}`, "its"] : [`brokers ${missing.join(", ")}`, "their"];
  throw new NoPlan(
    `the log directories of ${brokers} are missing: they may have records that nobody else has. Name them too (from another machine: a file made there by \`ottla cluster inventory\`), or say that they are lost with ${missing.map((id) => `--without ${id}`).join(" ")}, and what only ${disks} disks had is given up`,
  );
}

/** Damaged or not: what is after the damage may be on no other disk. A sound one is preferred if it is as long. */
function stateOf(copies: readonly Copy[], isUnclean: boolean): RecoveredState {
  const lastEpoch = Math.max(...copies.map((copy) => copy.lastEpoch));
  const latest = copies.filter((copy) => copy.lastEpoch === lastEpoch);
  const endOffset = Math.max(...latest.map((copy) => copy.endOffset));
  const longest = latest.filter((copy) => copy.endOffset === endOffset);
  const sound = longest.filter(({ isDamaged }) => !isDamaged);
  const isr = (sound.length > 0 ? sound : longest).map(({ brokerId }) => brokerId);
  const leaderEpoch = Math.max(0, ...copies.map(({ epochMax }) => epochMax)) + epochMargin;
  return { leaderEpoch, isr: [...new Set(isr)].sort((a, b) => a - b), isUnclean };
}

function tellOfStrays(inventories: readonly DirectoryInventory[], warnings: string[]): void {
  const strays = inventories.flatMap(({ leftAside }) => leftAside).filter((folder) => folder.endsWith("-stray"));
  if (strays.length > 0) warnings.push(`logs that were set aside are not looked into: ${shown(strays)}`);
}

function shown(names: readonly string[]): string {
  return `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`;
}
