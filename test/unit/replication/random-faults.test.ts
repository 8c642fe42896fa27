import { expect, test } from "vitest";
import { openLogStore } from "../../../broker/log/directories/open-directories.ts";
import type { LogStore } from "../../../broker/log/store-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { type Random, randomInt, seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { lagMaxMs, MiniCluster, ref } from "./mini-cluster.ts";

const seeds = Number(process.env.OTTLA_REPLICATION_SEEDS ?? 60);
const firstSeed = Number(process.env.OTTLA_REPLICATION_SEED ?? 1);
const brokers = [1, 2, 3];

/** Faults, elections and appends as the dice fall; then everything heals, and all replicas must agree and have what was acknowledged. */
class RandomRun {
  readonly #seed: number;
  readonly #random: Random;
  readonly #cluster: MiniCluster;
  /** What acks=all acknowledged: the record's bytes by base offset. */
  readonly #acknowledged = new Map<number, string>();
  readonly #disks = new Map<number, MemoryDisk>();
  #appends = 0;

  constructor(seed: number, disks: "logs in memory" | "files") {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    const settings = { minInsyncReplicas: 1 + randomInt(this.#random, 2), segmentBytes: 700 };
    this.#cluster = new MiniCluster(settings, disks === "files" ? (cluster, id) => this.#openFiles(cluster, id) : undefined);
  }

  /** The real log over a disk in memory. A process that was killed leaves what the operating system had, the last write perhaps torn. */
  #openFiles({ clock }: MiniCluster, id: number): Promise<LogStore> {
    const random = this.#random;
    const disk = this.#disks.get(id) ?? new MemoryDisk({ clock, random });
    this.#disks.set(id, disk);
    return openLogStore({ files: disk.attach(), clock, random, log: silentLogger }, { directory: "/logs" });
  }

  async run(steps: number): Promise<number> {
    await this.#cluster.start();
    for (let i = 0; i < steps; i++) {
      await this.#step();
      await this.#checkCommitted();
    }
    await this.#heal();
    await this.#checkEnd();
    await this.#cluster.stop();
    return this.#acknowledged.size;
  }

  async #step(): Promise<void> {
    const cluster = this.#cluster;
    const id = brokers[randomInt(this.#random, 3)] ?? 1;
    const other = brokers[randomInt(this.#random, 3)] ?? 1;
    const dice = this.#random.next();
    if (dice < 0.5) this.#append(cluster.nodes.has(id) ? id : null);
    else if (dice < 0.7) await cluster.pass(randomInt(this.#random, 120));
    else if (dice < 0.74) await cluster.pass(randomInt(this.#random, 2 * lagMaxMs));
    else if (dice < 0.79) cluster.cut.add(`${id}>${other}`);
    else if (dice < 0.83) cluster.cut.clear();
    else if (dice < 0.86) cluster.znode.fates.push(this.#random.next() < 0.5 ? "lost" : "dropped");
    else if (dice < 0.9) await this.#kill(id);
    else if (dice < 0.95) await this.#revive();
    else await this.#elect();
    if (this.#random.next() < 0.5) await settled();
  }

  #append(id: number | null): void {
    if (id === null) return;
    const fill = String.fromCharCode(97 + (this.#appends++ % 26));
    const batch = producedBatch(1 + randomInt(this.#random, 3), fill, this.#appends);
    const acks = this.#random.next() < 0.8 ? -1 : 1;
    void this.#cluster
      .node(id)
      .service.append(ref, batch, { acks, timeoutMs: 3000 })
      .then((outcome) => {
        if (outcome.error === null && acks === -1) this.#acknowledged.set(outcome.baseOffset, batch.toString("hex"));
      });
  }

  async #kill(id: number): Promise<void> {
    if (this.#cluster.nodes.size < 2 || !this.#cluster.nodes.has(id)) return;
    await settled();
    this.#disks.get(id)?.loseProcess();
    this.#cluster.kill(id);
    if (this.#cluster.znode.current.leader === id && this.#random.next() < 0.7) await this.#elect();
  }

  async #revive(): Promise<void> {
    for (const id of brokers) {
      if (this.#cluster.nodes.has(id)) continue;
      await this.#reelectIfBounced(id);
      await this.#cluster.boot(id);
      if (this.#random.next() < 0.8) await this.#cluster.assign([id]);
      return;
    }
  }

  /** A leader that comes back under a new registration leads in a new epoch, if at all: the controller's part of the bargain. */
  async #reelectIfBounced(id: number): Promise<void> {
    const { znode } = this.#cluster;
    if (znode.current.leader === id) this.#cluster.elect(id, znode.current.isr);
  }

  /** A live member of the in-sync set, a higher epoch; some brokers hear of it late. */
  async #elect(): Promise<void> {
    const { znode, nodes } = this.#cluster;
    const live = znode.current.isr.filter((one) => nodes.has(one));
    const leader = live[randomInt(this.#random, live.length)];
    if (leader === undefined) return;
    const isr = this.#random.next() < 0.5 ? znode.current.isr : live;
    this.#cluster.elect(leader, isr);
    const told = [...nodes.keys()].filter(() => this.#random.next() < 0.8);
    await this.#cluster.assign(told);
  }

  /** No two replicas disagree below the high watermark of either (I4). */
  async #checkCommitted(): Promise<void> {
    const seen = new Map<number, string>();
    for (const id of this.#cluster.nodes.keys()) {
      const highWatermark = this.#cluster.highWatermark(id);
      for (const { baseOffset, hex } of (await this.#cluster.content(id)) ?? []) {
        if (baseOffset >= highWatermark) break;
        expect(hex, `seed ${this.#seed}: replicas disagree at ${baseOffset}, below a high watermark`).toBe(seen.get(baseOffset) ?? hex);
        seen.set(baseOffset, hex);
      }
    }
  }

  async #heal(): Promise<void> {
    const cluster = this.#cluster;
    cluster.cut.clear();
    cluster.znode.fates = [];
    for (const id of brokers) {
      if (cluster.nodes.has(id)) continue;
      await this.#reelectIfBounced(id);
      await cluster.boot(id);
    }
    await this.#elect();
    await cluster.assign();
    const isQuiet = () => {
      const ends = brokers.map((id) => cluster.node(id).table.find(ref)?.log.endOffset);
      return cluster.znode.current.isr.length === 3 && ends.every((end) => end === cluster.highWatermark(cluster.znode.current.leader));
    };
    await cluster.until(isQuiet, `seed ${this.#seed}: all replicas in sync`, 60_000);
  }

  async #checkEnd(): Promise<void> {
    const [first, ...others] = await Promise.all(brokers.map((id) => this.#cluster.content(id)));
    for (const other of others) expect(JSON.stringify(other), `seed ${this.#seed}: the replicas' logs differ`).toBe(JSON.stringify(first));
    const kept = new Map(first?.map(({ baseOffset, hex }) => [baseOffset, hex]));
    for (const [baseOffset, hex] of this.#acknowledged)
      expect(kept.get(baseOffset), `seed ${this.#seed}: the acknowledged record at ${baseOffset} is gone`).toBe(hex);
    let end = 0;
    for (const { baseOffset } of first ?? []) {
      expect(baseOffset >= end, `seed ${this.#seed}: offsets are in order`).toBe(true);
      end = baseOffset + 1;
    }
  }
}

for (const disks of ["logs in memory", "files"] as const) {
  const title = `whatever fails, replicas agree in the end and have every acknowledged record (${disks})`;
  test(title, { timeout: 120_000 }, async () => {
    let acknowledged = 0;
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) acknowledged += await new RandomRun(seed, disks).run(150);
    expect(acknowledged > seeds * 4, `only ${acknowledged} appends were acknowledged: the test tests nothing`).toBe(true);
  });
}
