import { describe, expect, test } from "vitest";
import { ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { ZookeeperIsrStore } from "../../../broker/cluster/zookeeper-isr-store.ts";
import type { IsrChangeRequest, IsrWriteResult } from "../../../broker/partition/cluster-contract.ts";
import type { Coordinator, WriteOperation, WriteResult } from "../../../coordinator-client/coordinator.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { decodePartitionState, encodePartitionState, type PartitionState } from "../../../coordinator-client/znodes/partition-state.ts";
import { partitionStatePath, topicIdPath } from "../../../coordinator-client/znodes/paths.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { partition, topicId, topicOf } from "./topics.ts";

const names = { t: topicId(1), u: topicId(2) } as const;
const inZnode: PartitionState = {
  leader: 1,
  leaderEpoch: 5,
  isr: [1, 2],
  isrEpochs: { 1: 101, 2: 102 },
  controllerEpoch: 3,
  leaderRecovering: false,
};

/** A coordinator that has topics `t` and `u`, with `partitions` each, led by broker 1 under epoch 5, with 1 and 2 in sync. */
async function setUp(partitions: number) {
  const sim = new SimClock();
  const clock = sim.forOwner("us");
  const ensemble = new MemoryEnsemble({ clock, latencyMs: () => 1 });
  const zk = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false;
    const settled = work.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    while (!isDone) await sim.step();
    return settled;
  };
  const make = (path: string, data: Buffer): WriteOperation => ({ kind: "create", path, data, mode: "persistent" });
  await run(zk.connected());
  for (const [name, id] of Object.entries(names)) {
    await run(zk.ensurePath(topicIdPath(name, id)));
    for (let number = 0; number < partitions; number++) {
      const path = partitionStatePath(name, number);
      await run(zk.ensurePath(path.slice(0, path.lastIndexOf("/"))));
      await run(zk.write([make(path, encodePartitionState(inZnode))]));
    }
  }
  const images = new ImageStore("cluster");
  const ledHere = Array.from({ length: partitions }, (_, number) => partition(number, { leaderEpoch: 5 }));
  const topics = Object.entries(names).map(([name, id]) => [name, { ...topicOf(name, 1, 0), id, partitions: ledHere }] as const);
  images.replace({ ...images.current, controllerEpoch: 3, topics: new Map(topics) });
  const writes: (readonly WriteOperation[])[] = [];
  const reads: string[] = [];
  const reports: string[] = [];
  /** In place of what the coordinator does with the next transaction. */
  const instead: ((operations: readonly WriteOperation[]) => Promise<WriteResult>)[] = [];
  const coordinator = {
    write: (operations: readonly WriteOperation[]) => {
      writes.push(operations);
      return (instead.shift() ?? ((some) => zk.write(some)))(operations);
    },
    read: (path: string) => {
      reads.push(path);
      return zk.read(path);
    },
  } as unknown as Coordinator;
  const reporter = {
    report: ({
      topicId: id,
      partition: number,
      isr,
      stateVersion,
    }: {
      topicId: string;
      partition: number;
      isr: readonly number[];
      stateVersion: number;
    }) => reports.push(`${id === names.t ? "t" : "u"}-${number}: ${isr} at ${stateVersion}`),
  };
  const store = new ZookeeperIsrStore({ coordinator, images, reporter, clock });
  /** Takes broker 2 out. */
  const shrink = (
    topic: keyof typeof names,
    number: number,
    change: Partial<IsrChangeRequest> = {},
    isAwaited: boolean | (() => boolean) = false,
  ): Promise<IsrWriteResult> => {
    const isr = { isr: [1], isrEpochs: { 1: 101 }, formerSize: 2, expectedVersion: 0 };
    return store.writeIsr(
      { topic, topicId: names[topic], partition: number, leader: 1, leaderEpoch: 5, ...isr, ...change },
      typeof isAwaited === "boolean" ? () => isAwaited : isAwaited,
    );
  };
  const stateOf = (topic: string, number: number) => {
    const path = partitionStatePath(topic, number);
    return decodePartitionState(path, ensemble.tree.read(path)!.data);
  };
  /** Another writer's state, at the next version. */
  const overwrite = (topic: string, number: number, change: Partial<PartitionState>) =>
    run(
      zk.write([
        { kind: "set", path: partitionStatePath(topic, number), data: encodePartitionState({ ...inZnode, ...change }), version: -1 },
      ]),
    );
  const forget = (topic: keyof typeof names) => run(zk.write([{ kind: "delete", path: topicIdPath(topic, names[topic]), version: -1 }]));
  return { zk, run, images, writes, reads, reports, instead, shrink, stateOf, overwrite, forget };
}

const paths = (operations: readonly WriteOperation[]) => operations.map(({ kind, path }) => `${kind} ${path}`);
const written = (stateVersion: number) => ({ kind: "written", stateVersion });

describe("in-sync sets that change in one turn", () => {
  test("are written in one transaction, which checks each topic once; each change gets its own version", async () => {
    const { run, writes, reads, reports, shrink, stateOf, overwrite } = await setUp(2);
    await overwrite("t", 1, {});
    await overwrite("t", 1, {});
    const changes = [shrink("t", 0), shrink("u", 0), shrink("t", 1, { expectedVersion: 2 })];
    expect(writes, "not in the turn of the call").toEqual([]);
    expect(await run(Promise.all(changes))).toEqual([written(1), written(1), written(3)]);
    expect(writes.map(paths)).toEqual([
      [
        `check ${topicIdPath("t", names.t)}`,
        `check ${topicIdPath("u", names.u)}`,
        `set ${partitionStatePath("t", 0)}`,
        `set ${partitionStatePath("u", 0)}`,
        `set ${partitionStatePath("t", 1)}`,
      ],
    ]);
    expect(reports).toEqual(["t-0: 1 at 1", "u-0: 1 at 1", "t-1: 1 at 3"]);
    expect(stateOf("t", 1)).toEqual({ ...inZnode, isr: [1], isrEpochs: { 1: 101 } });
    expect(reads).toEqual([]);
  });

  test("do not wait for those of an earlier turn, nor those for them", async () => {
    const { run, writes, instead, shrink } = await setUp(2);
    instead.push(() => new Promise(() => undefined));
    void shrink("t", 0);
    await run(new Promise<void>((resolve) => setImmediate(resolve)).then(() => undefined));
    const later = shrink("u", 0);
    expect(await run(later.then((result) => [result]))).toEqual([written(1)]);
    expect(writes.map(({ length }) => length)).toEqual([2, 2]);
  });

  test("are written in the order in which they came, but what records wait for first", async () => {
    const { run, writes, shrink } = await setUp(120);
    const changes = Array.from({ length: 120 }, (_, at) => shrink("t", at, {}, at === 50 || at === 110));
    await run(Promise.all(changes));
    const order = writes.flatMap(paths).filter((line) => line.startsWith("set"));
    const others = Array.from({ length: 120 }, (_, at) => at).filter((at) => at !== 50 && at !== 110);
    expect(order).toEqual([50, 110, ...others].map((at) => `set ${partitionStatePath("t", at)}`));
  });

  test("are written a hundred at a time", async () => {
    const { run, writes, shrink } = await setUp(120);
    const changes = Array.from({ length: 240 }, (_, at) => shrink(at < 120 ? "t" : "u", at % 120));
    expect(await run(Promise.all(changes))).toEqual(changes.map(() => written(1)));
    expect(writes.map((operations) => operations.filter(({ kind }) => kind === "set").length)).toEqual([100, 100, 40]);
    expect(writes.map((operations) => operations.filter(({ kind }) => kind === "check").length)).toEqual([1, 2, 1]);
  });

  test("that nobody waits for are in two transactions at a time; what records come to wait for meanwhile is in the next", async () => {
    const { zk, run, writes, instead, shrink } = await setUp(500);
    const answers: (() => void)[] = [];
    for (let at = 0; at < 3; at++)
      instead.push(async (operations) => {
        await new Promise<void>((resolve) => answers.push(resolve));
        return zk.write(operations);
      });
    const turn = () => run(new Promise<void>((resolve) => setImmediate(resolve)));
    const sizes = () => writes.map((operations) => operations.length - 1);
    let isAwaited = false;
    const changes = Array.from({ length: 500 }, (_, at) => shrink("t", at, {}, () => isAwaited && at === 499));
    await turn();
    expect(sizes()).toEqual([100, 100]);
    await turn();
    expect(sizes(), "not before one of them is answered").toEqual([100, 100]);
    const hurried = shrink("u", 7, {}, true);
    await turn();
    expect(sizes(), "but what records wait for is written at once").toEqual([100, 100, 1]);
    isAwaited = true;
    for (const answer of answers) answer();
    await run(Promise.all([...changes, hurried]));
    expect(sizes().slice(0, 5)).toEqual([100, 100, 1, 1, 100]);
    expect(paths(writes[3]!)[1]).toBe(`set ${partitionStatePath("t", 499)}`);
    expect(new Set((await Promise.all(changes)).map(({ kind }) => kind))).toEqual(new Set(["written"]));
  });

  test("that nobody waits for, where they are out of date, are settled before the next ones are begun", async () => {
    const { zk, run, writes, instead, shrink, overwrite } = await setUp(400);
    for (let at = 0; at < 400; at++) await overwrite("t", at, {});
    const released = Promise.withResolvers<void>();
    const heldAlone = async (operations: readonly WriteOperation[]) => {
      if (operations.length === 2) await released.promise;
      return zk.write(operations);
    };
    for (let at = 0; at < 2_000; at++) instead.push(heldAlone);
    const changes = Promise.all(Array.from({ length: 400 }, (_, at) => shrink("t", at)));
    for (let turn = 0; turn < 50; turn++) await run(new Promise<void>((resolve) => setImmediate(resolve)));
    expect(writes.filter(({ length }) => length === 101).length).toBe(2);
    released.resolve();
    expect(new Set((await run(changes)).map(({ kind }) => kind))).toEqual(new Set(["conflict"]));
    expect(writes.filter(({ length }) => length === 101).length).toBe(4);
  });

  test("are written around the one that is not from the version that is there: only that one is compared", async () => {
    const { run, writes, reads, reports, shrink, overwrite, stateOf } = await setUp(3);
    await overwrite("t", 1, { isr: [1, 2, 3], isrEpochs: { 1: 101, 2: 102, 3: 103 } });
    const results = await run(Promise.all([shrink("t", 0), shrink("t", 1), shrink("u", 2)]));
    expect(results).toEqual([
      written(1),
      { kind: "conflict", isr: [1, 2, 3], isrEpochs: { 1: 101, 2: 102, 3: 103 }, stateVersion: 1 },
      written(1),
    ]);
    expect(reads).toEqual([partitionStatePath("t", 1)]);
    expect(writes.map(({ length }) => length)).toEqual([5, 2, 2, 2]);
    expect([...reports].sort()).toEqual(["t-0: 1 at 1", "t-1: 1,2,3 at 1", "u-2: 1 at 1"]);
    expect([stateOf("t", 0).isr, stateOf("u", 2).isr]).toEqual([[1], [1]]);
  });

  test("cost few transactions where few are out of date, and one for each where most are", async () => {
    const { run, writes, shrink, overwrite } = await setUp(100);
    const all = () => run(Promise.all(Array.from({ length: 100 }, (_, at) => shrink("t", at))));
    for (const at of [20, 70]) await overwrite("t", at, {});
    const kinds = (await all()).map(({ kind }) => kind);
    expect(kinds.flatMap((kind, at) => (kind === "conflict" ? [at] : []))).toEqual([20, 70]);
    // whole; before, at and after 20; before, at and after 70
    expect(writes.map(({ length }) => length - 1)).toEqual([100, 20, 1, 79, 49, 1, 29]);
    writes.length = 0;
    expect(new Set((await all()).map(({ kind }) => kind))).toEqual(new Set(["conflict"]));
    expect(writes.length).toBeLessThan(105);
  });

  test("are fenced where another leads, each by itself", async () => {
    const { run, images, writes, shrink, overwrite } = await setUp(2);
    await overwrite("t", 0, { leader: 2, leaderEpoch: 6 });
    expect(await run(Promise.all([shrink("t", 0), shrink("t", 1)]))).toEqual([{ kind: "fenced" }, written(1)]);
    writes.length = 0;
    const topics = new Map(images.current.topics);
    topics.set("t", { ...topics.get("t")!, id: topicId(9) });
    images.replace({ ...images.current, topics });
    expect(await run(Promise.all([shrink("t", 1), shrink("u", 0, { leaderEpoch: 4 }), shrink("u", 0)]))).toEqual([
      { kind: "fenced" },
      { kind: "fenced" },
      written(1),
    ]);
    expect(
      writes.map(({ length }) => length),
      "what the image does not have is not written",
    ).toEqual([2]);
  });

  test("of a topic that is gone change nothing of one that was made under its name, and do not hold up the others", async () => {
    const { run, reads, shrink, stateOf, forget } = await setUp(2);
    await forget("t");
    expect(await run(Promise.all([shrink("t", 0), shrink("u", 0), shrink("t", 1)]))).toEqual([
      { kind: "unknown" },
      written(1),
      { kind: "unknown" },
    ]);
    expect([stateOf("t", 0).isr, reads]).toEqual([[1, 2], []]);
  });

  test.each([true, false])("are each looked for after a lost answer (written: %s)", async (done) => {
    const { zk, run, shrink, reads } = await setUp(2);
    zk.loseNextAnswer({ done });
    const changes = Promise.all([shrink("t", 0), shrink("u", 1)]);
    const results = await run(changes);
    // the link is down: nobody knows
    expect(results).toEqual([{ kind: "unknown" }, { kind: "unknown" }]);
    expect(reads).toHaveLength(2);
    await run(zk.connected());
    const again = await run(Promise.all([shrink("t", 0), shrink("u", 1)]));
    if (done)
      expect(again).toMatchObject([
        { kind: "conflict", isr: [1], stateVersion: 1 },
        { kind: "conflict", isr: [1], stateVersion: 1 },
      ]);
    else expect(again).toEqual([written(1), written(1)]);
  });

  test.each([true, false])(
    "are found to be ours, or not there, where the coordinator answers again at once (written: %s)",
    async (done) => {
      const { zk, run, shrink, instead, reports } = await setUp(2);
      instead.push(async (operations) => {
        if (done) await zk.write(operations);
        return { kind: "unknown", error: new Error("no answer") };
      });
      const results = await run(Promise.all([shrink("t", 0), shrink("u", 1)]));
      expect(results).toEqual(done ? [written(1), written(1)] : [{ kind: "unknown" }, { kind: "unknown" }]);
      expect(reports).toEqual(done ? ["t-0: 1 at 1", "u-1: 1 at 1"] : []);
    },
  );

  test("fail together when the write itself fails, and the next ones do not", async () => {
    const { run, shrink, instead } = await setUp(2);
    instead.push(() => Promise.reject(new Error("a bug")));
    const results = await run(Promise.allSettled([shrink("t", 0), shrink("u", 0)]));
    expect(results.map((result) => (result.status === "rejected" ? `${result.reason}` : result.status))).toEqual([
      "Error: a bug",
      "Error: a bug",
    ]);
    expect(await run(shrink("t", 0))).toEqual(written(1));
  });

  test("without the leader are a bug", async () => {
    const { shrink, writes } = await setUp(1);
    await expect(shrink("t", 0, { isr: [2] })).rejects.toThrow("a leader is in the in-sync set it writes");
    expect(writes).toEqual([]);
  });
});
