import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunOptions } from "../../../../client/consumer/run-options.ts";
import type { FakeCluster } from "../fake-cluster.ts";
import { append, world as logsOf } from "../run-fixture.ts";
import { FakeGroup } from "./fake-group.ts";
import { memberOf } from "./group-fixture.ts";

const [partitions, keys] = [3, 4];

/** What all members' handlers did, and what the group was told of it. */
class History {
  readonly begun = new Map<string, number>();
  readonly done = new Set<string>();
  /** By lane, values in the order in which they were begun for the first time. */
  readonly firsts = new Map<string, number[]>();
  readonly violations: string[] = [];
  readonly #running = new Map<object, Set<string>>();

  constructor(group: FakeGroup) {
    const { offsets } = group;
    const set = offsets.set.bind(offsets);
    offsets.set = (key, value) => {
      const partition = key.slice(2);
      for (let offset = 0; offset < value.offset; offset++)
        if (!this.done.has(`${partition}:${offset}`)) this.violations.push(`${key}=${value.offset} is committed, ${offset} is not done`);
      return set(key, value);
    };
  }

  begins(member: object, value: string, lane: string): void {
    const running = this.#running.get(member) ?? new Set();
    this.#running.set(member, running);
    if (running.has(lane)) this.violations.push(`${value}: two handlers of one member in lane ${lane}`);
    running.add(lane);
    const times = this.begun.get(value) ?? 0;
    this.begun.set(value, times + 1);
    if (times === 0) this.firsts.set(lane, [...(this.firsts.get(lane) ?? []), Number(value.slice(2))]);
  }

  ends(member: object, lane: string): void {
    this.#running.get(member)?.delete(lane);
  }
}

function join(cluster: FakeCluster, history: History, options: RunOptions, tookMs: (value: string) => number) {
  const member = memberOf(cluster, { autoCommitIntervalMs: 700, sessionTimeoutMs: 10_000 });
  const running = member.subscribe(["t"]).then(() =>
    member.run(options, async ({ partition, key, value }, { attempt }) => {
      const text = value as string;
      const lane = options.orderBy === "key" ? `${partition} ${key}` : `${partition}`;
      history.begins(member, text, lane);
      await new Promise<void>((resolve) => cluster.clock.schedule(tookMs(text), resolve));
      history.ends(member, lane);
      if (attempt <= tookMs(`${text} fails`) % 3) throw new Error("not yet");
      history.done.add(text);
    }),
  );
  running.catch(() => undefined);
  return { member, running };
}

const step = fc.constantFrom("join" as const, "close" as const, "expel" as const, "wait" as const);
const scenario = fc.record({
  orderBy: fc.constantFrom("partition" as const, "key" as const),
  concurrency: fc.integer({ min: 1, max: 6 }),
  drainTimeoutMs: fc.constantFrom(200, 5_000),
  pendingRecordsMax: fc.constantFrom(20, 10_000),
  steps: fc.array(fc.tuple(step, fc.integer({ min: 0, max: 6_000 })), { minLength: 2, maxLength: 8 }),
  seed: fc.nat(1_000),
});

test("members that come, go and are thrown out at any time: nothing is committed before it is done, nothing is lost, lanes keep their order", async () => {
  const check = async ({ steps, seed, ...options }: RunOptions & { steps: (readonly [string, number])[]; seed: number }) => {
    const { cluster, logs } = logsOf({ partitions, records: 40, keys });
    const group = new FakeGroup(cluster);
    const history = new History(group);
    const tookMs = (value: string) => 1 + (([...value].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, seed) >>> 3) % 120);
    const enter = () => join(cluster, history, { retries: 2, retryDelayMs: 50, ...options }, tookMs);
    const members = [enter()];
    await cluster.clock.advance(2_000);
    for (const [what, waitMs] of steps) {
      if (what === "join" && members.length < 4) members.push(enter());
      if (what === "close" && members.length > 1) await cluster.clock.until(members.shift()?.member.close() as Promise<void>);
      if (what === "expel") for (const id of [...group.members.keys()].slice(0, 1)) group.remove(id);
      for (const p of logs.keys()) append(logs, p, 10, keys);
      await cluster.clock.advance(waitMs);
    }
    await cluster.clock.advance(60_000);
    expect(history.violations.slice(0, 3)).toEqual([]);
    for (const [p, log] of logs.entries()) {
      expect(group.offsets.get(`t-${p}`)?.offset, `partition ${p}`).toBe(log.endOffset);
      for (let n = 0; n < log.endOffset; n++) expect(history.done.has(`${p}:${n}`), `${p}:${n}`).toBe(true);
    }
    for (const [lane, numbers] of history.firsts) expect(numbers, lane).toEqual(numbers.toSorted((a, b) => a - b));
    for (const { member, running } of members) {
      await cluster.clock.until(member.close());
      await cluster.clock.until(running);
    }
  };
  await fc.assert(fc.asyncProperty(scenario, check), { numRuns: 40 });
}, 120_000);
