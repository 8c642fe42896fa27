import { CommandFailed } from "../output/command-failed.ts";
import { copiesIn } from "./broker-properties.ts";

/** How large a local cluster is, and where: brokers have the numbers from 1 on, and the ports from this one on. */
export interface ClusterSize {
  readonly brokers: number;
  readonly port: number;
  /** Brokers stand in these in turn; empty: in none. */
  readonly racks: readonly string[];
}

type Said = { readonly [K in keyof ClusterSize]: ClusterSize[K] | null };

export const usualSize: ClusterSize = { brokers: 3, port: 9092, racks: [] };

/** Null: it says nothing of use. */
export function parsedSize(text: string): ClusterSize | null {
  try {
    const { brokers, port, racks = [] } = JSON.parse(text) as Partial<ClusterSize>;
    const isWithin = (value: number | undefined, max: number) => Number.isSafeInteger(value) && value! >= 1 && value! <= max;
    const areRacks = Array.isArray(racks) && racks.every((rack) => typeof rack === "string");
    return isWithin(brokers, 50) && isWithin(port, 65_535) && areRacks ? { brokers: brokers!, port: port!, racks } : null;
  } catch {
    return null;
  }
}

/** What is not said is as it was. */
export function wantedSize(said: Said, before: ClusterSize | null): ClusterSize {
  const { brokers, port, racks } = before ?? usualSize;
  return { brokers: said.brokers ?? brokers, port: said.port ?? port, racks: said.racks ?? racks };
}

/**
 * Brokers that are not to run any more have copies: without them, partitions would lack replicas, or all of them. `flag`: how commands
 * reach the cluster.
 */
export function failForHeld(copies: ReadonlyMap<number, number>, { brokers }: Pick<ClusterSize, "brokers">, flag: string): void {
  const held = [...copies].filter(([, count]) => count > 0).map(([id]) => id);
  if (held.length === 0) return;
  const told = held.map((id) => `broker ${id} has copies of ${copies.get(id) === 1 ? "1 partition" : `${copies.get(id)} partitions`}`);
  const drains = held.map((id) => `\`ottla cluster drain ${id}${flag}\``).join(" and ");
  throw new CommandFailed(
    `${told.join(", ")}, and would not run any more: start it again with --brokers ${Math.max(...held)}, run ${drains}, stop it, and then start it with --brokers ${brokers}`,
  );
}

/** For a person, after brokers were added; empty: none were. `flag`: how commands reach the cluster. */
export function hintsAfterGrowth({ brokers }: Pick<ClusterSize, "brokers">, before: ClusterSize | null, flag: string): readonly string[] {
  const added = addedBrokers({ brokers }, before);
  if (before === null || added.length === 0) return [];
  return [
    `added ${added.join(", ")}, with nothing on ${added.length === 1 ? "it" : "them"} yet: bin/ottla cluster rebalance${flag}   (--dry-run shows what moves)`,
    ...(copiesIn(brokers) > copiesIn(before.brokers)
      ? [`topics keep the number of copies that they have: bin/ottla topic alter TOPIC --replication-factor ${copiesIn(brokers)}${flag}`]
      : []),
  ];
}

export function addedBrokers({ brokers }: Pick<ClusterSize, "brokers">, before: ClusterSize | null): readonly number[] {
  if (before === null) return [];
  return Array.from({ length: Math.max(0, brokers - before.brokers) }, (_, index) => before.brokers + index + 1);
}
