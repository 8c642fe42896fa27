import { setTimeout as sleep } from "node:timers/promises";
import type { MemoryLimit } from "../../support/memory-limit.ts";
import type { SmallDisk } from "../../support/small-disk.ts";
import type { Need, Stage } from "../faults/fault.ts";
import type { FickleMachine } from "../machine/fickle-machine.ts";
import type { BrokerEnd, BrokerNode } from "../stage/broker-node.ts";
import type { Cluster } from "../stage/cluster.ts";
import type { LeaderWatch } from "../watch/leader-watch.ts";
import type { Equipment } from "./equipment.ts";

const othersLeadMaxMs = 60_000;
const inSyncMaxMs = 60_000;
const takesPartMaxMs = 60_000;
const pollMs = 100;

export interface ChaosStageParts {
  readonly cluster: Cluster;
  readonly leaders: LeaderWatch;
  readonly equipment: Equipment;
  readonly sessionTimeoutMs: number;
  readonly topic: string;
  readonly say: (line: string) => void;
}

export class ChaosStage implements Stage {
  readonly cluster: Cluster;
  readonly sessionTimeoutMs: number;
  readonly #equipment: Equipment;
  readonly #leaders: LeaderWatch;
  readonly #topic: string;
  readonly #say: (line: string) => void;
  readonly #mayEnd = new Set<number>();
  readonly #mayStopLate = new Set<number>();

  constructor({ cluster, leaders, equipment, sessionTimeoutMs, topic, say }: ChaosStageParts) {
    this.cluster = cluster;
    this.#equipment = equipment;
    this.sessionTimeoutMs = sessionTimeoutMs;
    this.#leaders = leaders;
    this.#topic = topic;
    this.#say = say;
  }

  tell(line: string): void {
    this.#say(line);
  }

  /** Null when this kind of fault can be made here, else why not. */
  lacks(need: Need | undefined): string | null {
    switch (need) {
      case undefined:
        return null;
      case "cuts":
        return this.cluster.network.cannotCut;
      case "disks":
        return lackOf(this.#equipment.disks);
      case "fickle machines":
        return lackOf(this.#equipment.machines);
      case "memory limits":
        return lackOf(this.#equipment.memories);
    }
  }

  diskOf(broker: BrokerNode): SmallDisk {
    return its(this.#equipment.disks, broker);
  }

  machineOf(broker: BrokerNode): FickleMachine {
    return its(this.#equipment.machines, broker);
  }

  memoryOf(broker: BrokerNode): MemoryLimit {
    return its(this.#equipment.memories, broker);
  }

  async controller(): Promise<BrokerNode> {
    for (let attempt = 0; ; attempt++) {
      const id = await this.#leaders.controllerId().catch(() => -1);
      const broker = this.cluster.brokers.find((each) => each.id === id);
      if (broker !== undefined) return broker;
      if (attempt > 100) throw new Error("nobody knows a controller");
      await sleep(pollMs);
    }
  }

  async othersLead(than: BrokerNode): Promise<void> {
    await this.#until(othersLeadMaxMs, async () => this.#leaders.ledBy([than.id]).length === 0);
  }

  async allInSync(): Promise<void> {
    await this.#until(inSyncMaxMs, () => this.#leaders.isWhole([this.#topic]));
  }

  async takesPart({ id }: BrokerNode): Promise<boolean> {
    return this.#until(takesPartMaxMs, async () =>
      (await this.#leaders.topics()).some(({ partitions }) => partitions.some(({ replicas }) => replicas.includes(id))),
    );
  }

  allowEnd({ id }: BrokerNode): void {
    this.#mayEnd.add(id);
  }

  allowLateStop({ id }: BrokerNode): void {
    this.#mayStopLate.add(id);
  }

  /** The fault under way explains this end. */
  allows(id: number, { wasForced }: Pick<BrokerEnd, "wasForced">): boolean {
    return this.#mayEnd.has(id) || (wasForced && this.#mayStopLate.has(id));
  }

  allowNoEnds(): void {
    this.#mayEnd.clear();
    this.#mayStopLate.clear();
  }

  /** False: the time is over. */
  async #until(withinMs: number, isTrue: () => Promise<boolean>): Promise<boolean> {
    const deadlineMs = performance.now() + withinMs;
    while (!(await isTrue().catch(() => false))) {
      if (performance.now() > deadlineMs) return false;
      await sleep(pollMs);
    }
    return true;
  }
}

function lackOf(part: ReadonlyMap<number, unknown> | string): string | null {
  return typeof part === "string" ? part : null;
}

function its<T>(part: ReadonlyMap<number, T> | string, { id }: BrokerNode): T {
  const found = typeof part === "string" ? undefined : part.get(id);
  if (found === undefined) throw new Error(`nothing of the kind for broker ${id}`);
  return found;
}
