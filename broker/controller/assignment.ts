import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { PartitionsCreation, TopicCreation } from "./controller-service.ts";

/** A broker that may get replicas. */
export interface Place {
  readonly id: BrokerId;
  readonly rack: string | null;
}

/** Replicas of a partition, the preferred leader first. */
export type Replicas = readonly BrokerId[];

/** What may be created: the assignment by partition number, or what is wrong with the request. */
export type Planned =
  | { readonly error: null; readonly assignment: readonly Replicas[] }
  | { readonly error: KafkaError; readonly message: string };

/** What a plan is made from. */
export interface PlanInput {
  /** Brokers that new partitions may be placed on. */
  readonly places: readonly Place[];
  readonly limits: CreationLimits;
  readonly random: Random;
}

export interface CreationLimits {
  /** The default where a request gives none (-1). */
  readonly numPartitions: number;
  readonly defaultReplicationFactor: number;
  /** Partitions of one request's topic; also bounds what one creation allocates. */
  readonly partitionsPerTopicMax: number;
}

export function planTopic(creation: TopicCreation, { places, limits, random }: PlanInput): Planned {
  if (creation.assignments.length > 0) {
    if (creation.numPartitions !== -1 || creation.replicationFactor !== -1)
      return refused("INVALID_REQUEST", "With an explicit assignment, partition count and replication factor must be -1.");
    const sorted = [...creation.assignments].sort((a, b) => a.partition - b.partition);
    if (sorted.length > limits.partitionsPerTopicMax) return tooManyPartitions(sorted.length, limits);
    if (sorted.some(({ partition }, index) => partition !== index))
      return refused("INVALID_REPLICA_ASSIGNMENT", "The assigned partitions must be numbered from 0, each once.");
    return checkedAssignment(
      sorted.map(({ brokerIds }) => brokerIds),
      sorted[0]!.brokerIds.length,
      places,
    );
  }
  const count = creation.numPartitions === -1 ? limits.numPartitions : creation.numPartitions;
  const replicationFactor = creation.replicationFactor === -1 ? limits.defaultReplicationFactor : creation.replicationFactor;
  if (count < 1) return refused("INVALID_PARTITIONS", `A topic needs at least 1 partition, not ${count}.`);
  if (count > limits.partitionsPerTopicMax) return tooManyPartitions(count, limits);
  const fault = replicationFault(replicationFactor, places.length, creation.replicationFactor === -1);
  if (fault !== null) return refused("INVALID_REPLICATION_FACTOR", fault);
  return { error: null, assignment: assign(places, { count, replicationFactor }, randomStart(random, places.length)) };
}

/** `assignment` of the result: of the new partitions only. */
export function planPartitions(creation: PartitionsCreation, existing: readonly Replicas[], { places, limits }: PlanInput): Planned {
  const added = creation.count - existing.length;
  if (added === 0) return refused("INVALID_PARTITIONS", `The topic already has ${existing.length} partitions.`);
  if (added < 0)
    return refused(
      "INVALID_PARTITIONS",
      `The topic has ${existing.length} partitions, which is more than the ${creation.count} asked for; partitions cannot be taken away.`,
    );
  if (creation.count > limits.partitionsPerTopicMax) return tooManyPartitions(creation.count, limits);
  // another tool may have written a topic that has none
  const replicationFactor = existing[0]?.length ?? limits.defaultReplicationFactor;
  if (creation.assignments !== null) {
    if (creation.assignments.length !== added)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `${added} partitions are to be added, but replicas are assigned for ${creation.assignments.length}.`,
      );
    return checkedAssignment(creation.assignments, replicationFactor, places);
  }
  const fault = replicationFault(replicationFactor, places.length);
  if (fault !== null) return refused("INVALID_REPLICATION_FACTOR", fault);
  return { error: null, assignment: assign(places, { count: added, replicationFactor }, continuingStart(places, existing)) };
}

function replicationFault(replicationFactor: number, live: number, isDefault = false): string | null {
  if (replicationFactor < 1) return `The replication factor must be at least 1, not ${replicationFactor}.`;
  const source = isDefault ? " (default.replication.factor)" : "";
  if (replicationFactor > live)
    return `A replication factor of ${replicationFactor}${source} needs as many live brokers; there are ${live}.`;
  return null;
}

function checkedAssignment(assignment: readonly Replicas[], replicationFactor: number, places: readonly Place[]): Planned {
  const live = new Set<BrokerId>(places.map(({ id }) => id));
  for (const [index, replicas] of assignment.entries()) {
    if (replicas.length === 0) return refused("INVALID_REPLICA_ASSIGNMENT", `Entry ${index} of the assignment names no broker.`);
    if (new Set(replicas).size !== replicas.length)
      return refused("INVALID_REPLICA_ASSIGNMENT", `Entry ${index} of the assignment names a broker twice: ${replicas.join(", ")}.`);
    if (replicas.length !== replicationFactor)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `All partitions of a topic need the same number of replicas: entry ${index} of the assignment has ${replicas.length}, not ${replicationFactor}.`,
      );
    const unknown = replicas.filter((id) => !live.has(id));
    if (unknown.length > 0)
      return refused(
        "INVALID_REPLICA_ASSIGNMENT",
        `Entry ${index} of the assignment names brokers that are not alive: ${unknown.join(", ")}.`,
      );
  }
  return { error: null, assignment };
}

function tooManyPartitions(count: number, { partitionsPerTopicMax }: CreationLimits): Planned {
  return refused("INVALID_PARTITIONS", `${count} partitions are more than one topic may have here (${partitionsPerTopicMax}).`);
}

function refused(error: KafkaError, message: string): Planned {
  return { error, message };
}

/** Where the pattern starts: the position of the first leader, and how far the first round's followers stand from their leaders. */
export interface Start {
  readonly leader: number;
  readonly shift: number;
}

/** Random, so that topics of few partitions do not all meet on the same brokers. */
export function randomStart(random: Random, places: number): Start {
  return { leader: randomInt(random, places), shift: randomInt(random, places) };
}

/** Where new partitions continue: after the last partition's leader; when that broker is gone, at the next one by id. */
export function continuingStart(places: readonly Place[], existing: readonly Replicas[]): Start {
  const ring = inPattern(places);
  const last = existing.at(-1)?.[0] ?? -1;
  const known = ring.findIndex(({ id }) => id === last);
  const above = ring.findIndex(({ id }) => id > last);
  const leader = known >= 0 ? (known + 1) % ring.length : Math.max(0, above);
  return { leader, shift: Math.ceil(existing.length / ring.length) };
}

/**
 * Replicas for `count` new partitions. Positions are counted, not ids, so gaps in the ids do not matter. Leaders go round the brokers. In a
 * whole round, followers stand at a distance from their leader that grows with each round, so that what a dead broker led spreads over all
 * the others; each such round loads every broker alike. The partitions of the last, partial round are laid out row by row, so that the
 * counts of replicas still differ by one at most. With racks (all brokers have one), leaders alternate between racks and a replica goes
 * where the partition's racks are used least.
 */
export function assign(
  places: readonly Place[],
  wanted: { readonly count: number; readonly replicationFactor: number },
  start: Start,
): Replicas[] {
  const { count, replicationFactor } = wanted;
  invariant(replicationFactor >= 1 && replicationFactor <= places.length, "as many brokers as replicas", () => ({ wanted, places }));
  const ring = inPattern(places);
  if (usesRacks(places)) return overRacks(ring, wanted, start);
  const inLastRound = count % ring.length;
  return Array.from({ length: count }, (_, partition) => {
    const round = Math.floor(partition / ring.length);
    const leader = (start.leader + partition) % ring.length;
    const isPartial = partition >= count - inLastRound && inLastRound > 1;
    const positions = isPartial
      ? inRows(ring.length, start.leader, partition - (count - inLastRound), inLastRound, replicationFactor)
      : inRing(ring.length, leader, start.shift + round, replicationFactor);
    return positions.map((position) => ring[position]!.id);
  });
}

/** Distances 1 … size-1 from the leader, each at most once: never the leader itself, never a broker twice. */
function inRing(size: number, leader: number, shift: number, replicationFactor: number): number[] {
  const followers = Array.from({ length: replicationFactor - 1 }, (_, follower) => 1 + ((shift + follower) % (size - 1)));
  return [leader, ...followers.map((distance) => (leader + distance) % size)];
}

/**
 * The k partitions of a partial round, row by row: first all leaders, then all first followers, …, one position after the other round the
 * ring, so that the counts differ by one at most. After size / gcd(k, size) rows the ring has been filled exactly and a partition would
 * come back to its leader: from there on it is shifted by one more position. The rows of one partition are then all different: multiples of
 * the gcd within a filling, distinct remainders between fillings, of which there are fewer than the gcd.
 */
function inRows(size: number, start: number, index: number, k: number, replicationFactor: number): number[] {
  const rowsPerFilling = size / greatestCommonDivisor(k, size);
  return Array.from({ length: replicationFactor }, (_, row) => (start + row * k + index + Math.floor(row / rowsPerFilling)) % size);
}

function overRacks(
  ring: readonly Place[],
  { count, replicationFactor }: { readonly count: number; readonly replicationFactor: number },
  start: Start,
): Replicas[] {
  const load = new Map<BrokerId, number>(ring.map(({ id }) => [id, 0]));
  return Array.from({ length: count }, (_, partition) => {
    const leader = (start.leader + partition) % ring.length;
    const shift = start.shift + Math.floor(partition / ring.length);
    const taken = [ring[leader]!];
    const rackUses = new Map([[ring[leader]!.rack, 1]]);
    while (taken.length < replicationFactor) {
      let best: Place | null = null;
      for (let step = 0; step < ring.length - 1; step++) {
        const place = ring[(leader + 1 + ((shift + step) % (ring.length - 1))) % ring.length]!;
        if (taken.includes(place)) continue;
        if (best === null) best = place;
        const moreUsed = (rackUses.get(place.rack) ?? 0) - (rackUses.get(best.rack) ?? 0);
        if (moreUsed < 0 || (moreUsed === 0 && load.get(place.id)! < load.get(best.id)!)) best = place;
      }
      invariant(best !== null, "a broker is left for each replica");
      taken.push(best);
      rackUses.set(best.rack, (rackUses.get(best.rack) ?? 0) + 1);
    }
    for (const { id } of taken) load.set(id, load.get(id)! + 1);
    return taken.map(({ id }) => id);
  });
}

/** Racks count only when every broker has one. */
export function usesRacks(places: readonly Place[]): boolean {
  return places.every(({ rack }) => rack !== null);
}

/** Brokers by id; with racks, alternating between the racks (first of each, second of each, …). */
function inPattern(places: readonly Place[]): readonly Place[] {
  const sorted = [...places].sort((a, b) => a.id - b.id);
  if (!usesRacks(places)) return sorted;
  const byRack = new Map<string, Place[]>();
  for (const place of sorted) {
    const rack = place.rack ?? "";
    const inRack = byRack.get(rack);
    if (inRack === undefined) byRack.set(rack, [place]);
    else inRack.push(place);
  }
  const racks = [...byRack.keys()].sort().map((rack) => byRack.get(rack)!);
  const longest = Math.max(0, ...racks.map((rack) => rack.length));
  return Array.from({ length: longest }, (_, row) => racks.flatMap((rack) => rack.slice(row, row + 1))).flat();
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
