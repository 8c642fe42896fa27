import { Admin, orThrow } from "../../../client/index.ts";
import { randomInt } from "../../../protocol/base/random.ts";
import { partitions } from "../world.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

/**
 * Partitions are moved to other brokers, get more or fewer replicas, are moved elsewhere before the last move is over, and moves are
 * cancelled. In the end every broker is to have each partition again, in an order that is checked: see `World.isConverged`.
 */
export class Reassignments implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};
  #isBusy = false;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    // the controller moves something by itself only when nobody has for a while
    const { isBalanced } = this.#parts.world.plan;
    this.#stop = again(this.#parts, isBalanced ? 500 : 50, isBalanced ? 5000 : 1500, () => void this.#befall());
  }

  heal(): void {
    this.#stop();
    const { world } = this.#parts;
    for (let partition = 0; partition < partitions; partition++) world.intended.set(partition, this.#someOf(world.brokers.length));
    // a request from before may still come through
    const look = () => {
      for (const [partition, replicas] of world.intended) if (!world.isAssigned(partition, replicas)) void this.#ask(partition, replicas);
    };
    look();
    again(this.#parts, 1000, 2000, look);
  }

  async #befall(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { world, random, count } = this.#parts;
    const partition = randomInt(random, partitions);
    const isChanging = world.observer.assignment(partition)?.isChanging === true;
    const replicas = isChanging && random.next() < 0.4 ? null : this.#someOf([1, 2, 2, 2, 3, 3][randomInt(random, 6)]!);
    if (await this.#ask(partition, replicas)) count(replicas === null ? "cancelReassignment" : "reassign");
    this.#isBusy = false;
  }

  async #ask(partition: number, replicas: readonly number[] | null): Promise<boolean> {
    const { world } = this.#parts;
    const { topic, workload, trace } = world;
    const bootstrap = "b1:9092,b2:9092,b3:9092";
    const runtime = workload.runtimeFor("reassigner");
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 2000, requestTimeoutMs: 1000, runtime });
    if (replicas !== null) world.asked.add(`${partition}:${replicas}`);
    const what = `${topic}-${partition} ${replicas === null ? "back" : `to ${replicas}`}`;
    try {
      orThrow(await admin.alterPartitionReassignments([{ topic, partition, replicas }]));
      trace.line(`reassigning ${what}`);
      return true;
    } catch (error) {
      trace.line(`not reassigning ${what}: ${(error as Error).message}`, true);
      return false;
    }
  }

  /** Where the controller moves partitions by itself it gets reason to: the same brokers as a rule, in the same order. */
  #someOf(count: number): readonly number[] {
    const { world, random } = this.#parts;
    const left = world.brokers.map(({ id }) => id);
    if (world.plan.isBalanced && random.next() < 0.8) return left.slice(0, count);
    return Array.from({ length: count }, () => left.splice(randomInt(random, left.length), 1)[0]!);
  }
}
