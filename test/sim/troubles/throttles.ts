import { Admin, type ConfigChange, type ConfigResource, orThrow } from "../../../client/index.ts";
import { type Random, randomInt } from "../../../protocol/base/random.ts";
import { partitions } from "../world.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

/**
 * Replication is throttled, to nothing, a little or more, of these and those replicas, and then not any more. Nothing of it may harm what
 * is in sync: `throttle-scenes.ts` looks at that without other faults. In the end nothing is throttled, and all must catch up.
 */
export class Throttles implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};
  #isBusy = false;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 50, 2000, () => void this.#befall());
  }

  heal(): void {
    this.#stop();
    const { world } = this.#parts;
    const left = new Set<ConfigResource>([{ topic: world.topic }, ...world.brokers.map(({ id }) => ({ broker: id })), { broker: null }]);
    const look = () => {
      for (const resource of left) void this.#change(resource, undo(resource)).then((isDone) => isDone && left.delete(resource));
    };
    look();
    again(this.#parts, 1000, 2000, look);
  }

  async #befall(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { world, random, count } = this.#parts;
    const brokers = world.brokers.map(({ id }) => id);
    const all: ConfigResource[] = [{ topic: world.topic }, { broker: null }, { broker: brokers[randomInt(random, brokers.length)]! }];
    const resource = all[randomInt(random, all.length)]!;
    const changes = random.next() < 0.3 ? undo(resource) : "topic" in resource ? lists(random, brokers) : rates(random);
    if (await this.#change(resource, changes)) count("throttle");
    this.#isBusy = false;
  }

  async #change(resource: ConfigResource, changes: readonly ConfigChange[]): Promise<boolean> {
    const { workload, trace } = this.#parts.world;
    const runtime = workload.runtimeFor("throttler");
    await using admin = new Admin({ bootstrap: "b1:9092,b2:9092,b3:9092", operationTimeoutMs: 2000, requestTimeoutMs: 1000, runtime });
    const what = `${JSON.stringify(resource)} ${JSON.stringify(changes)}`;
    try {
      orThrow(await admin.incrementalAlterConfigs([{ resource, changes }]));
      trace.line(`throttling ${what}`);
      return true;
    } catch (error) {
      trace.line(`not throttling ${what}: ${(error as Error).message}`, true);
      return false;
    }
  }
}

const sides = ["leader", "follower"] as const;

function undo(resource: ConfigResource): readonly ConfigChange[] {
  const what = "topic" in resource ? "replicas" : "rate";
  return sides.map((side) => ({ name: `${side}.replication.throttled.${what}`, operation: "delete" }));
}

function rates(random: Random): readonly ConfigChange[] {
  return sides.map((side) => {
    const value = `${[0, 100, 3_000, 100_000][randomInt(random, 4)]}`;
    return { name: `${side}.replication.throttled.rate`, operation: "set", value };
  });
}

function lists(random: Random, brokers: readonly number[]): readonly ConfigChange[] {
  return sides.map((side) => {
    const some = Array.from({ length: partitions }, (_, partition) => brokers.map((broker) => `${partition}:${broker}`)).flat();
    const value = random.next() < 0.5 ? "*" : some.filter(() => random.next() < 0.5).join();
    return { name: `${side}.replication.throttled.replicas`, operation: "set", value };
  });
}
