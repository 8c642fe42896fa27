import { setTimeout as sleep } from "node:timers/promises";
import { SmallDisk } from "../../support/small-disk.ts";
import { diskMegabytes } from "../faults/disks.ts";
import type { Need, Stage } from "../faults/fault.ts";
import type { BrokerNode } from "../stage/broker-node.ts";
import type { Cluster } from "../stage/cluster.ts";
import { isInside } from "../stage/own-namespaces.ts";
import type { LeaderWatch } from "../watch/leader-watch.ts";

const othersLeadMaxMs = 60_000;
const inSyncMaxMs = 60_000;
const pollMs = 100;

/** Every broker's data on a small disk of its own, in memory; null where none can be mounted. Unmounted with our mount namespace. */
export async function mountDisks(brokers: readonly BrokerNode[]): Promise<ReadonlyMap<number, SmallDisk> | null> {
  if (!isInside()) return null;
  const disks = new Map<number, SmallDisk>();
  for (const broker of brokers) {
    const disk = await SmallDisk.mount(broker.dataDirectory, diskMegabytes);
    if (typeof disk === "string") return null;
    disks.set(broker.id, disk);
  }
  return disks;
}

export interface ChaosStageParts {
  readonly cluster: Cluster;
  readonly leaders: LeaderWatch;
  readonly disks: ReadonlyMap<number, SmallDisk> | null;
  readonly sessionTimeoutMs: number;
  readonly topic: string;
}

export class ChaosStage implements Stage {
  readonly cluster: Cluster;
  readonly disks: ReadonlyMap<number, SmallDisk> | null;
  readonly sessionTimeoutMs: number;
  readonly #leaders: LeaderWatch;
  readonly #topic: string;
  readonly #mayEnd = new Set<number>();

  constructor({ cluster, leaders, disks, sessionTimeoutMs, topic }: ChaosStageParts) {
    this.cluster = cluster;
    this.disks = disks;
    this.sessionTimeoutMs = sessionTimeoutMs;
    this.#leaders = leaders;
    this.#topic = topic;
  }

  /** Null when this kind of fault can be made here, else why not. */
  lacks(need: Need | undefined): string | null {
    switch (need) {
      case undefined:
        return null;
      case "cuts":
        return this.cluster.network.cannotCut;
      case "disks":
        return this.disks === null ? "small disks take root, or users that may have namespaces" : null;
      case "fake clocks":
        return "it needs libfaketime, and is not written";
      case "memory limits":
        return "it needs the memory controller of cgroup v2, and is not written";
    }
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

  allowEnd({ id }: BrokerNode): void {
    this.#mayEnd.add(id);
  }

  mayEnd(id: number): boolean {
    return this.#mayEnd.has(id);
  }

  allowNoEnds(): void {
    this.#mayEnd.clear();
  }

  async #until(withinMs: number, isTrue: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (performance.now() < deadlineMs && !(await isTrue().catch(() => false))) await sleep(pollMs);
  }
}
