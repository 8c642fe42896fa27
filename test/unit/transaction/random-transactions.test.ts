import fc from "fast-check";
import { expect, test } from "vitest";
import { isPrepared, outcomeOf, type Producer, type Transaction } from "../../../broker/transaction/transaction.ts";
import { machineConfig, place, producer, timeoutMs, World } from "./world.ts";

/**
 * Several producers of one id, of both versions, that do not know of each other, and whose answers may be lost; coordinators that come and
 * go; and what must hold of the log and of the answers whatever they do.
 */
type Step =
  | { readonly what: "init"; readonly by: number; readonly isExpected: boolean; readonly isLost: boolean }
  | { readonly what: "add"; readonly by: number; readonly partition: number }
  | { readonly what: "end"; readonly by: number; readonly kind: "commit" | "abort"; readonly isLost: boolean }
  | { readonly what: "late-end"; readonly at: number; readonly kind: "commit" | "abort" }
  | { readonly what: "mark"; readonly partition: number | null }
  | { readonly what: "late-mark"; readonly at: number }
  | { readonly what: "move"; readonly isTailLost: boolean }
  | { readonly what: "replication"; readonly isOn: boolean }
  | { readonly what: "wait"; readonly ms: number }
  | { readonly what: "step-clock"; readonly ms: number }
  | { readonly what: "refuse"; readonly isOn: boolean };

/** The first one mostly: producers that fence each other all the time end nothing. */
const by = fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 2) });
const kind = fc.constantFrom("commit" as const, "abort" as const);
const isLost = fc.boolean();
const mostly = fc.constantFrom(true, true, true, false);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ what: fc.constant("init" as const), by, isExpected: fc.boolean(), isLost }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("add" as const), by, partition: fc.nat({ max: 3 }) }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("end" as const), by, kind, isLost }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("late-end" as const), at: fc.nat(), kind }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant("mark" as const), partition: fc.option(fc.nat({ max: 3 })) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("late-mark" as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("move" as const), isTailLost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("replication" as const), isOn: mostly }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("wait" as const), ms: fc.constantFrom(10, 7_000, timeoutMs + 20_000) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("step-clock" as const), ms: fc.constantFrom(-3_600_000, 3_600_000) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("refuse" as const), isOn: mostly.map((isOn) => !isOn) }) },
);

/** What may follow what in the log, of one transaction or from one to the next. */
const successors: Readonly<Record<string, readonly string[]>> = {
  nothing: ["Empty"],
  Empty: ["Empty", "Ongoing", "PrepareAbort", "nothing"],
  Ongoing: ["Ongoing", "PrepareCommit", "PrepareAbort"],
  PrepareCommit: ["CompleteCommit"],
  PrepareAbort: ["CompleteAbort"],
  CompleteCommit: ["Empty", "Ongoing", "PrepareAbort", "nothing"],
  CompleteAbort: ["Empty", "Ongoing", "PrepareAbort", "nothing"],
};

function checkHistory(history: readonly (Transaction | null)[]): void {
  let before: Transaction | null = null;
  for (const now of history) {
    expect(successors[before?.state ?? "nothing"]).toContain(now?.state ?? "nothing");
    if (before !== null && now !== null) {
      // a new producer id begins again; otherwise no epoch is ever given twice
      if (now.producerId === before.producerId) expect(now.producerEpoch).toBeGreaterThanOrEqual(before.producerEpoch);
      else expect(now.producerEpoch).toBe(0);
      expect(now.producerId).toBeGreaterThanOrEqual(before.producerId);
      if (before.state === "Ongoing") {
        for (const [topic, ids] of before.partitions) for (const id of ids) expect(now.partitions.get(topic)?.has(id)).toBe(true);
        expect(now.startedMs).toBe(before.startedMs);
      }
    }
    before = now;
  }
}

interface Member {
  has: Producer | null;
  readonly isNew: boolean;
}

class Run {
  readonly world: World;
  readonly members: Member[];
  /** Every EndTxn that was sent: it may arrive again, much later. */
  readonly ends: { readonly producer: Producer; readonly isNew: boolean }[] = [];
  /** Every order, by id and epoch: how its markers end the transaction in the partitions' logs. */
  readonly markers = new Map<string, string>();
  readonly orders: World["orders"] = [];
  readonly promised: { readonly producer: Producer; readonly kind: "commit" | "abort"; readonly isNew: boolean; readonly at: number }[] =
    [];

  constructor(world: World, isNew: boolean) {
    this.world = world;
    this.members = [isNew, !isNew, isNew].map((each) => ({ has: null, isNew: each }));
  }

  async take(next: Step): Promise<void> {
    const { world } = this;
    switch (next.what) {
      case "init":
        return this.#init(this.members[next.by]!, next);
      case "add": {
        const member = this.members[next.by]!;
        if (member.has === null) return this.#init(member, { isExpected: false, isLost: false });
        const added = await world.add(member.has, [place(next.partition)], member.isNew ? 2 : 0);
        if (added === "PRODUCER_FENCED") member.has = null;
        return;
      }
      case "end":
        return this.#end(this.members[next.by]!, next);
      case "late-end": {
        const end = this.ends[next.at % Math.max(1, this.ends.length)];
        if (end !== undefined) await this.#sendEnd(end.producer, end.isNew, next.kind);
        return;
      }
      case "mark":
        return this.#mark(next.partition);
      case "late-mark": {
        const order = this.orders[next.at % Math.max(1, this.orders.length)];
        if (order !== undefined) await world.mark(order);
        return;
      }
      case "move":
        world.partition.refusal = null;
        await world.move(next.isTailLost ? undefined : world.partition.endOffset);
        return;
      case "replication":
        world.partition.isReplicated = next.isOn;
        if (next.isOn) world.partition.commit();
        return;
      case "wait":
        return world.clock.advance(next.ms);
      case "step-clock":
        world.clock.stepMs += next.ms;
        return;
      case "refuse":
        world.partition.refusal = next.isOn ? "NOT_ENOUGH_REPLICAS" : null;
    }
  }

  async #init(member: Member, { isExpected, isLost }: { readonly isExpected: boolean; readonly isLost: boolean }): Promise<void> {
    const answer = await this.world.init(isExpected ? member.has : null);
    if (answer.includes("/") && !isLost) member.has = producer(answer);
  }

  async #end(member: Member, order: { readonly kind: "commit" | "abort"; readonly isLost: boolean }): Promise<void> {
    if (member.has === null) return;
    this.ends.push({ producer: member.has, isNew: member.isNew });
    const answer = await this.#sendEnd(member.has, member.isNew, order.kind);
    if (answer !== null && !order.isLost) member.has = answer;
  }

  async #sendEnd(by: Producer, isNew: boolean, kind: "commit" | "abort"): Promise<Producer | null> {
    const answer = await this.world.end(by, kind, isNew);
    if (!answer.includes("/")) return null;
    this.promised.push({ producer: by, kind, isNew, at: this.world.history().length });
    return producer(answer);
  }

  async #mark(partition: number | null): Promise<void> {
    const order = this.world.orders.at(-1);
    this.collect();
    if (order === undefined) return;
    await this.world.mark(order, partition === null ? order.partitions : order.partitions.filter((each) => each.partition === partition));
  }

  /** Markers of one epoch say one thing: whoever sends them, and whenever. Those of version 1 may be of several transactions. */
  collect(): void {
    for (const order of this.world.orders.slice(this.orders.length)) {
      this.orders.push(order);
      const key = `${order.producerId}/${order.producerEpoch}`;
      const isRaised = order.transactionVersion >= 2;
      if (isRaised) expect(this.markers.get(key) ?? order.kind).toBe(order.kind);
      if (isRaised) this.markers.set(key, order.kind);
      const decided = this.world
        .history()
        .some(
          (one) =>
            one !== null &&
            isPrepared(one.state) &&
            one.producerId === order.producerId &&
            one.producerEpoch === order.producerEpoch &&
            outcomeOf(one.state) === order.kind,
        );
      expect(decided, `markers of ${key} say what the log says`).toBe(true);
    }
  }

  /** What a producer was told is what the log has of the transaction that it ended, then and for ever. */
  checkPromises(): void {
    const history = this.world.history();
    for (const { producer: by, kind, isNew, at } of this.promised) {
      const epoch = by.producerEpoch + (isNew ? 1 : 0);
      const ends = history
        .slice(0, at)
        .filter((one) => one !== null && isPrepared(one.state) && one.producerId === by.producerId && one.producerEpoch === epoch);
      expect(ends.length).toBeGreaterThan(0);
      const last = ends.at(-1);
      if (last !== null && last !== undefined) expect(outcomeOf(last.state)).toBe(kind);
      // in version 2 there is one transaction of an epoch
      if (isNew) for (const one of ends) expect(one === null ? kind : outcomeOf(one.state)).toBe(kind);
    }
  }
}

test("whatever producers, coordinators and time do, the log is legal, and every transaction ends in one way, as was told", async () => {
  let ended = 0;
  let moved = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: "max" }), fc.boolean(), async (steps, isNew) => {
      const run = new Run(await World.start(), isNew);
      for (const next of steps) {
        await run.take(next);
        run.collect();
        checkHistory(run.world.history());
      }
      run.checkPromises();
      // all faults are over: every transaction is complete in the end
      const { world } = run;
      world.partition.refusal = null;
      world.partition.isReplicated = true;
      world.partition.commit();
      await world.move();
      for (let turns = 0; turns < 3; turns++) {
        await world.clock.advance(timeoutMs + 3 * machineConfig.timeoutCheckMs);
        run.collect();
        for (const order of [...world.orders]) await world.mark(order);
      }
      const last = world.history().at(-1);
      expect(last === undefined || last === null || last.state === "Empty" || last.state.startsWith("Complete")).toBe(true);
      checkHistory(world.history());
      run.checkPromises();
      ended += run.promised.length;
      moved += steps.filter(({ what }) => what === "move").length;
    }),
    { numRuns: 300 },
  );
  expect(ended).toBeGreaterThan(300);
  expect(moved).toBeGreaterThan(100);
}, 60_000);
