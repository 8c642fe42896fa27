import type { MemoryTree } from "../../coordinator-client/memory/tree.ts";
import type { TreeObserver } from "./observer.ts";

export interface BalanceObserverParts {
  readonly tree: () => Pick<MemoryTree, "read" | "children">;
  readonly observer: TreeObserver;
  readonly brokers: readonly number[];
  readonly nowMs: () => number;
  readonly onViolation: (claim: string) => void;
  /** Of that topic somebody asked for these replicas. */
  readonly wasAsked: (topic: string, partition: number, replicas: readonly number[]) => boolean;
}

interface Assigned {
  /** Another topic may have been made under the name. */
  readonly createdZxid: number;
  readonly replicas: readonly number[];
  readonly target: readonly number[];
  readonly origin: readonly number[];
  readonly isChanging: boolean;
}

/** A controller may hear so much later that a member left: its leader writes that, and then reports it. Milliseconds. */
const heardLaterMaxMs = 1_000;

/**
 * What the controller moves by itself, seen from outside: it begins nothing while a partition lacks replicas, or somebody else moves
 * any, and in the end brokers have equal shares.
 */
export class BalanceObserver {
  readonly #parts: BalanceObserverParts;
  #assigned = new Map<string, Assigned>();
  readonly #versions = new Map<string, number>();
  /** Moves under way that it began itself. */
  readonly #own = new Set<string>();
  /** Partitions that lack a member, or their leader, and since when. */
  readonly #unwholeSinceMs = new Map<string, number>();
  /** How many partitions it began to move. */
  moves = 0;

  constructor(parts: BalanceObserverParts) {
    this.#parts = parts;
  }

  look(): void {
    this.#lookAtWholeness();
    const tree = this.#parts.tree();
    const names = tree.children("/brokers/topics")?.names ?? [];
    for (const key of this.#assigned.keys()) if (!names.some((name) => key.startsWith(`${name}-`))) this.#assigned.delete(key);
    const changed = names.filter((name) => this.#versions.get(name) !== tree.read(`/brokers/topics/${name}`)?.modifiedZxid);
    for (const name of changed) {
      this.#versions.set(name, tree.read(`/brokers/topics/${name}`)!.modifiedZxid);
      for (const [partition, next] of this.#read(name).entries()) this.#judge(name, partition, next);
    }
  }

  /** Nothing of what was seen counts any more: the coordinator has another state. */
  forget(): void {
    this.#own.clear();
    this.#assigned.clear();
    this.#versions.clear();
    this.#unwholeSinceMs.clear();
  }

  /** No broker has two copies, or two preferred leaderships, more than another. */
  areEven(): boolean {
    const all = (this.#parts.tree().children("/brokers/topics")?.names ?? []).flatMap((name) => this.#read(name));
    const spread = (counted: (assigned: Assigned, id: number) => boolean) => {
      const counts = this.#parts.brokers.map((id) => all.filter((assigned) => counted(assigned, id)).length);
      return Math.max(...counts) - Math.min(...counts);
    };
    const isHere = ({ replicas }: Assigned, id: number) => replicas.includes(id);
    return !all.some(({ isChanging }) => isChanging) && spread(isHere) < 2 && spread(({ replicas }, id) => replicas[0] === id) < 2;
  }

  #judge(topic: string, partition: number, next: Assigned): void {
    const key = `${topic}-${partition}`;
    const before = this.#assigned.get(key);
    this.#assigned.set(key, next);
    if (!next.isChanging || before?.createdZxid !== next.createdZxid || before.target.join() !== next.target.join()) this.#own.delete(key);
    if (before?.createdZxid !== next.createdZxid || before.target.join() === next.target.join()) return;
    const isCancelled = before.isChanging && isSameSet(before.origin, next.target);
    if (isCancelled || this.#parts.wasAsked(topic, partition, next.target)) return;
    this.moves++;
    const { nowMs, onViolation } = this.#parts;
    if (next.isChanging) this.#own.add(key);
    const moving = before.isChanging
      ? key
      : [...this.#assigned].find(([other, { isChanging }]) => isChanging && !this.#own.has(other))?.[0];
    if (moving !== undefined) onViolation(`${key} is moved by itself to ${next.target} while somebody moves ${moving}`);
    for (const [other, sinceMs] of this.#unwholeSinceMs)
      if (other !== key && nowMs() - sinceMs > heardLaterMaxMs)
        onViolation(
          `${key} is moved by itself to ${next.target} while ${other} has lacked somebody for ${Math.round(nowMs() - sinceMs)} ms`,
        );
  }

  #lookAtWholeness(): void {
    const { observer, nowMs } = this.#parts;
    const seen = new Set<string>();
    for (const { topic, partition, state } of observer.partitions()) {
      const key = `${topic}-${partition}`;
      const assigned = this.#assigned.get(key);
      if (assigned === undefined || assigned.isChanging || assigned.replicas.every((id) => state.isr.includes(id))) continue;
      seen.add(key);
      if (!this.#unwholeSinceMs.has(key)) this.#unwholeSinceMs.set(key, nowMs());
    }
    for (const key of this.#unwholeSinceMs.keys()) if (!seen.has(key)) this.#unwholeSinceMs.delete(key);
  }

  #read(topic: string): Assigned[] {
    const node = this.#parts.tree().read(`/brokers/topics/${topic}`);
    if (node === null) return [];
    const { partitions, adding_replicas: added, removing_replicas: removed } = JSON.parse(node.data.toString());
    return Object.values(partitions as Record<string, number[]>).map((replicas, partition) => {
      const [adding, removing]: [number[], number[]] = [added?.[partition] ?? [], removed?.[partition] ?? []];
      return {
        createdZxid: node.createdZxid,
        replicas,
        target: replicas.filter((id) => !removing.includes(id)),
        origin: replicas.filter((id) => !adding.includes(id)),
        isChanging: adding.length + removing.length > 0,
      };
    });
  }
}

function isSameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.toSorted().join() === b.toSorted().join();
}
