import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Consumer } from "../../client/index.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { SimClock } from "./sim-clock.ts";
import type { Trace } from "./trace.ts";

export interface GroupWorkloadParts {
  readonly clock: SimClock;
  readonly trace: Trace;
  readonly random: Random;
  readonly topic: string;
  readonly partitions: number;
  readonly bootstrap: string;
  readonly runtime: (owner: string) => ClientRuntime;
  readonly onViolation: (claim: string) => void;
}

const group = "readers";
const membersMax = 3;
/** After a failure of the last member. */
const rejoinMs = 500;

/** One life of a member. */
interface Member {
  readonly name: string;
  readonly consumer: Consumer<Buffer, Buffer>;
  /** By partition: what the group had committed when it was assigned to this member, until its first record shows where that began. */
  readonly begins: Map<number, { readonly committed: number; readonly processed: number }>;
  readonly next: Map<number, number>;
  /** One after the other: of two at once, the older one may be retried last, and win. */
  lastCommit: Promise<void>;
}

/**
 * A group whose members come and go, and commit what they have processed. The next owner of a partition begins where an answered commit
 * says, or later: never before a commit that was acknowledged before the partition was assigned to it, and never behind what some member
 * has processed. Nothing is skipped, and no position goes back.
 */
export class GroupWorkload {
  readonly #parts: GroupWorkloadParts;
  readonly #members: Member[] = [];
  /** By partition: the largest commit that was answered. */
  readonly #committed: number[];
  /** By partition: everything below was processed by some member. */
  readonly #processed: number[];
  readonly #assignor: "range" | "cooperative-sticky";
  #born = 0;
  /** How often committed positions may have been lost. */
  #losses = 0;
  #isOver = false;
  commits = 0;

  constructor(parts: GroupWorkloadParts) {
    this.#parts = parts;
    this.#assignor = parts.random.next() < 0.5 ? "range" : "cooperative-sticky";
    this.#committed = Array.from({ length: parts.partitions }, () => 0);
    this.#processed = Array.from({ length: parts.partitions }, () => 0);
  }

  start(): void {
    this.#join();
    this.#join();
    this.#later();
  }

  /** Membership does not change any more. */
  settle(): void {
    this.#isOver = true;
    if (this.#members.length === 0) this.#join();
  }

  /** What was answered before may be lost by the rules. */
  commitsMayBeGone(): void {
    this.#losses++;
    this.#committed.fill(0);
    for (const { begins } of this.#members)
      for (const [partition, { processed }] of begins) begins.set(partition, { committed: 0, processed });
  }

  processedEnd(partition: number): number {
    return this.#processed[partition] ?? 0;
  }

  #later(): void {
    const { clock, random } = this.#parts;
    clock.schedule("group", 500 + random.next() * 4000, () => {
      if (this.#isOver) return;
      if (this.#members.length < 1 || (this.#members.length < membersMax && random.next() < 0.5)) this.#join();
      else this.#leave();
      this.#later();
    });
  }

  #join(): void {
    const { bootstrap, topic, runtime } = this.#parts;
    const name = `reader${++this.#born}`;
    const consumer: Consumer<Buffer, Buffer> = new Consumer({
      bootstrap,
      group,
      runtime: runtime(name),
      offsetReset: "earliest",
      autoCommit: false,
      assignors: [this.#assignor],
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 300,
      requestTimeoutMs: 3000,
      connectTimeoutMs: 1000,
      retryBackoffMs: 50,
      retryBackoffMaxMs: 500,
      fetchWaitMaxMs: 300,
      onAssigned: (given) => {
        for (const { partition } of given) {
          member.begins.set(partition, { committed: this.#committed[partition]!, processed: this.#processed[partition]! });
          member.next.delete(partition);
        }
      },
      onRevoked: async (given) => {
        await this.#commit(member);
        // the coordinator accepts a member's commit for any partition: what others own now must not be committed
        for (const { partition } of given) member.next.delete(partition);
      },
      onLost: (lost) => {
        for (const { partition } of lost) member.next.delete(partition);
      },
    });
    const member: Member = { name, consumer, begins: new Map(), next: new Map(), lastCommit: Promise.resolve() };
    this.#members.push(member);
    this.#parts.trace.line(`${name} joins`);
    void consumer.subscribe([topic]).then(
      () => this.#read(member),
      () => this.#gone(member),
    );
  }

  #leave(): void {
    const [member] = this.#members.splice(randomInt(this.#parts.random, this.#members.length), 1);
    if (member === undefined) return;
    this.#parts.trace.line(`${member.name} leaves`);
    void this.#commit(member).then(() => member.consumer.close());
  }

  #gone(member: Member): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
    void member.consumer.close();
    this.#parts.clock.schedule("group", rejoinMs, () => {
      if (this.#members.length === 0) this.#join();
    });
  }

  async #read(member: Member): Promise<void> {
    try {
      let count = 0;
      for await (const { partition, offset } of member.consumer) {
        this.#took(member, partition, offset);
        if (++count % 7 === 0) void this.#commit(member);
      }
    } catch (error) {
      this.#parts.trace.line(`${member.name} fails: ${(error as Error).name}: ${(error as Error).message}`);
    }
    if (this.#members.includes(member)) this.#gone(member);
  }

  #took(member: Member, partition: number, offset: number): void {
    const { onViolation } = this.#parts;
    const begin = member.begins.get(partition);
    member.begins.delete(partition);
    const where = `partition ${partition} at ${offset}`;
    if (begin !== undefined && offset < begin.committed)
      onViolation(`groups: ${member.name} begins ${where}, and ${begin.committed} was committed before`);
    const due = member.next.get(partition);
    if (due !== undefined && offset !== due) onViolation(`groups: ${member.name} goes on in ${where}, ${due} was due`);
    if (offset > this.#processed[partition]!)
      onViolation(`groups: ${member.name} reads ${where}, and the group has processed up to ${this.#processed[partition]}`);
    this.#processed[partition] = Math.max(this.#processed[partition]!, offset + 1);
    member.next.set(partition, offset + 1);
  }

  #commit(member: Member): Promise<void> {
    member.lastCommit = member.lastCommit.then(() => this.#commitNow(member));
    return member.lastCommit;
  }

  async #commitNow(member: Member): Promise<void> {
    const { topic } = this.#parts;
    const offsets = [...member.next].map(([partition, offset]) => ({ topic, partition, offset }));
    if (offsets.length === 0) return;
    const losses = this.#losses;
    try {
      await member.consumer.commit(offsets);
      this.commits++;
      // the answer was under way when what it says was lost
      if (losses !== this.#losses) return;
      for (const { partition, offset } of offsets) this.#committed[partition] = Math.max(this.#committed[partition]!, offset);
    } catch (error) {
      this.#parts.trace.line(`${member.name} cannot commit: ${(error as Error).message}`, true);
    }
  }
}
