import { type Random, randomInt } from "../../../protocol/base/random.ts";
import type { ObservedState } from "../observer.ts";
import type { SimBroker } from "../sim-broker.ts";
import { readStoredLog } from "../stored-log.ts";
import { partitions, type World } from "../world.ts";

/**
 * A fault of several steps, each at its moment: what single faults meet by chance once in ten thousand seeds. False when the cluster is not
 * in the state that it needs; nothing was done then. A scheme repairs what it breaks; `heal` repairs the rest.
 */
export interface Scheme {
  readonly name: string;
  /** Why it is worth testing. */
  readonly aims: string;
  /** What must run alongside. */
  readonly needs?: "hasGroup" | "isFlushed";
  run(stage: Stage): Promise<boolean>;
}

/** The roles of the brokers in one partition. */
export interface Cast {
  readonly partition: number;
  readonly leader: SimBroker;
  /** In sync. */
  readonly members: readonly SimBroker[];
  readonly outside: readonly SimBroker[];
  readonly preferred: SimBroker;
}

const pollMs = 2;

/** What the steps of a scheme are made of. */
export class Stage {
  readonly world: World;
  readonly random: Random;
  readonly #isOver: () => boolean;

  constructor(world: World, random: Random, isOver: () => boolean) {
    this.world = world;
    this.random = random;
    this.#isOver = isOver;
  }

  /** Null: no leader. */
  cast(partition = randomInt(this.random, partitions)): Cast | null {
    const { observer, brokers } = this.world;
    const about = observer.partitions().find((each) => each.topic === this.world.topic && each.partition === partition);
    const byId = (id: number | undefined) => brokers.find((broker) => broker.id === id);
    const leader = byId(about?.state.leader);
    const preferred = byId(about?.replicas[0]);
    if (about === undefined || leader === undefined || preferred === undefined || !brokers.every(({ isReady }) => isReady)) return null;
    const members = brokers.filter(({ id }) => about.state.isr.includes(id));
    return { partition, leader, members, outside: brokers.filter((broker) => !members.includes(broker)), preferred };
  }

  /** A partition that is led by another than its preferred replica, with all in sync; it is brought into that state if necessary. */
  async unpreferredCast(): Promise<Cast | null> {
    const cast = this.cast();
    if (cast === null || cast.members.length < 3 || cast.leader !== cast.preferred) return cast;
    if (!this.to(cast.leader, (each) => this.world.expireSession(each))) return null;
    const isSo = () => {
      const now = this.cast(cast.partition);
      return now !== null && now.leader !== now.preferred && now.members.length === 3;
    };
    return (await this.when(isSo, 2500)) ? this.cast(cast.partition) : null;
  }

  state(partition: number): ObservedState | null {
    return this.world.observer.state(partition);
  }

  get controller(): SimBroker | null {
    const { observer, brokers } = this.world;
    return brokers.find(({ id }) => id === observer.controllerId) ?? null;
  }

  /** Where this broker's log of the partition ends on its disk. */
  storedEnd(broker: SimBroker, partition: number): number {
    const folder = broker.folderOf(`${this.world.topic}-${partition}`);
    return folder === null ? 0 : (readStoredLog(broker.disk, folder, this.world.checker.isCompacted)?.endOffset ?? 0);
  }

  /** A number between the two. */
  between(least: number, most: number): number {
    return least + this.random.next() * (most - least);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.world.clock.schedule("faults", ms, resolve));
  }

  /** False: not within the time, or the faults are over. */
  async when(condition: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.world.clock.nowMs + limitMs;
    while (!this.#isOver()) {
      if (condition()) return true;
      if (this.world.clock.nowMs >= endMs) return false;
      await this.sleep(pollMs);
    }
    return false;
  }

  /** Does it to this broker if the rules allow it. */
  to(broker: SimBroker | undefined | null, deed: (broker: SimBroker) => void): boolean {
    if (broker == null || this.#isOver() || !broker.isUp || broker.isPaused || !this.world.mayTakeAway(broker, false)) return false;
    deed(broker);
    return true;
  }

  cut(a: SimBroker | string, b: SimBroker | string, { oneWay = false } = {}): void {
    if (this.#isOver()) return;
    const [from, to] = [hostOf(a), hostOf(b)];
    this.world.trace.line(`cut ${from} ${oneWay ? ">" : "|"} ${to}`);
    if (oneWay) this.world.network.cutOneWay(from, to);
    else this.world.network.cut(from, to);
  }

  mend(a: SimBroker | string, b: SimBroker | string): void {
    this.world.trace.line(`mend ${hostOf(a)} | ${hostOf(b)}`);
    this.world.network.heal(hostOf(a), hostOf(b));
  }

  /** The preferred replica is elected again. */
  elect(partition: number): void {
    const { controller } = this;
    if (!this.#isOver() && controller !== null) void this.world.workload.electPreferred(partition, controller.host);
  }

  /** Records at once, with acks=all. */
  burst(partition: number, count: number): void {
    if (!this.#isOver()) this.world.workload.burst(partition, count);
  }
}

function hostOf(one: SimBroker | string): string {
  return typeof one === "string" ? one : one.host;
}
