import { describe, expect, test } from "vitest";
import { ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { CutOffLeader, type LedElsewhere } from "../../../broker/cluster/cut-off-leader.ts";
import { type Coordinator, CoordinatorUnavailable, type Node } from "../../../coordinator-client/coordinator.ts";
import { encodePartitionState, type PartitionState } from "../../../coordinator-client/znodes/partition-state.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { partition, topicId, topicOf } from "./topics.ts";

const encoded = (change: Partial<PartitionState>) =>
  encodePartitionState({
    leader: 2,
    leaderEpoch: 1,
    isr: [1, 2],
    isrEpochs: { 1: 101 },
    controllerEpoch: 4,
    leaderRecovering: false,
    ...change,
  });

/** Broker 1, with `led` partitions of `t` that it leads, and one that it follows. */
function setUp(led: number) {
  const sim = new SimClock();
  const clock = sim.forOwner("us");
  const images = new ImageStore("cluster");
  const records = Array.from({ length: led }, (_, number) => partition(number));
  const topic = { ...topicOf("t", 1, 0), partitions: [...records, partition(led, { leader: 3 })] };
  images.replace({ ...images.current, topics: new Map([["t", topic]]) });
  const reads: { readonly number: number; readonly atMs: number }[] = [];
  const inFlight = { now: 0, most: 0 };
  /** What the znodes say, by partition; where there is nothing, what this broker knows. */
  const nodes = new Map<number, Partial<PartitionState> | "missing" | "malformed">();
  const coordinator = { isAway: false, onWritten: () => {} };
  const read = async (path: string): Promise<Node | null> => {
    const number = Number(/^\/brokers\/topics\/t\/partitions\/(\d+)\/state$/.exec(path)?.[1]);
    reads.push({ number, atMs: sim.nowMs });
    inFlight.most = Math.max(inFlight.most, ++inFlight.now);
    await sleep(clock, 1);
    inFlight.now--;
    if (coordinator.isAway) throw new CoordinatorUnavailable("no answer");
    const found = nodes.get(number) ?? { leader: 1, leaderEpoch: 0 };
    if (found === "missing") return null;
    const data = found === "malformed" ? Buffer.from("{") : encoded(found);
    return { data, version: 6, createdZxid: 50, modifiedZxid: 77, ephemeralOwner: null, ownedByUs: false };
  };
  /** Until then the server that is asked shows an older state. */
  const write = async () => {
    await sleep(clock, 1);
    if (coordinator.isAway) throw new CoordinatorUnavailable("no answer");
    coordinator.onWritten();
    return { kind: "written", results: [{ version: 0 }] };
  };
  const controller: { isAway: boolean; stall: number | null } = { isAway: true, stall: null };
  const adopted: (readonly LedElsewhere[])[] = [];
  const leader = new CutOffLeader({
    brokerId: 1,
    coordinator: { read, write } as unknown as Coordinator,
    images,
    clock,
    doubts: {
      vote: {
        get isControllerAway() {
          return controller.isAway;
        },
      },
      watch: {
        get stallInDoubt() {
          return controller.stall;
        },
        settleStall: (stall) => {
          if (controller.stall === stall) controller.stall = null;
        },
      },
    },
    adopt: async (partitions) => void adopted.push(partitions),
  });
  const aborter = new AbortController();
  const pass = async (ms: number) => {
    let isOver = false;
    sim.schedule("test", ms, () => {
      isOver = true;
    });
    while (!isOver) await sim.step();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    images,
    reads,
    inFlight,
    nodes,
    coordinator,
    controller,
    adopted,
    leader,
    look: () => leader.look(aborter.signal),
    aborter,
    pass,
  };
}

describe("a leader that did not run for a while", () => {
  test("looks at what is so now, not at what a server that lags behind has", async () => {
    const { nodes, adopted, controller, coordinator, look, pass } = setUp(3);
    controller.isAway = false;
    controller.stall = 1;
    coordinator.onWritten = () => nodes.set(2, { leader: 2, leaderEpoch: 4, isr: [2, 3] });
    look();
    await pass(100);
    expect([adopted.flat().map(({ record }) => record.partition), controller.stall]).toEqual([[2], null]);
  });

  test("looks at everything at once, and the doubt ends when all could be read", async () => {
    const { reads, nodes, adopted, controller, coordinator, look, pass } = setUp(2_500);
    controller.isAway = false;
    controller.stall = 1;
    coordinator.isAway = true;
    nodes.set(2_400, { leader: 2, leaderEpoch: 4, isr: [2, 3] });
    nodes.set(7, "malformed");
    look();
    look();
    await pass(100);
    expect([reads.length, controller.stall, adopted]).toEqual([0, 1, []]);
    coordinator.isAway = false;
    await pass(700);
    expect([reads.length, controller.stall]).toEqual([2_500, null]);
    expect(adopted.flat().map(({ record }) => record.partition)).toEqual([2_400]);
  });

  test("looks again where it stood still once more meanwhile", async () => {
    const { reads, controller, look, pass } = setUp(1);
    controller.isAway = false;
    controller.stall = 1;
    look();
    controller.stall = 2;
    await pass(100);
    expect([reads.length, controller.stall]).toEqual([2, null]);
  });
});

describe("a leader that cannot reach the controller", () => {
  test("looks after a while, and then twice a second, until it reaches it; however often it is told to", async () => {
    const { reads, controller, look, pass } = setUp(1);
    look();
    await pass(250);
    expect(reads).toEqual([]);
    for (let time = 0; time < 20; time++) {
      look();
      await pass(100);
    }
    expect(reads.map(({ atMs }) => atMs)).toEqual([300, 801, 1_302, 1_803]);
    controller.isAway = false;
    await pass(10_000);
    look();
    await pass(1_000);
    expect(reads).toHaveLength(4);
    controller.isAway = true;
    look();
    await pass(350);
    expect(reads).toHaveLength(5);
  });

  test("does not look where the controller is back within that while, or this broker stops", async () => {
    const one = setUp(1);
    one.look();
    await one.pass(200);
    one.controller.isAway = false;
    await one.pass(5_000);
    expect(one.reads).toEqual([]);
    const two = setUp(1);
    two.look();
    await two.pass(400);
    two.aborter.abort();
    await two.pass(5_000);
    expect(two.reads).toHaveLength(1);
  });

  test("takes what another leads under a higher epoch, as the znode has it, and nothing else", async () => {
    const { nodes, adopted, reads, look, pass } = setUp(7);
    nodes.set(0, { leader: 2, leaderEpoch: 4, isr: [2, 3], isrEpochs: { 2: 102 }, leaderRecovering: true });
    nodes.set(1, { leader: 2, leaderEpoch: 0 });
    nodes.set(2, { leader: 1, leaderEpoch: 3 });
    nodes.set(3, { leader: -1, leaderEpoch: 3 });
    nodes.set(4, "malformed");
    nodes.set(5, "missing");
    look();
    await pass(310);
    const { topic, topicId: id, record } = adopted[0]![0]!;
    expect([adopted.length, adopted[0]!.length, topic, id]).toEqual([1, 1, "t", topicId(1)]);
    expect(record).toEqual({
      ...partition(0),
      leader: 2,
      leaderEpoch: 4,
      isr: [2, 3],
      // a member without an entry joined before the state was written
      isrEpochs: { 2: 102, 3: 77 },
      leaderRecovering: true,
      stateVersion: 6,
    });
    expect(record).not.toHaveProperty("controllerEpoch");
    expect(
      reads.map(({ number }) => number),
      "what it follows is of no interest",
    ).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("adopts nothing while it finds nothing, or the coordinator does not answer; then it goes on", async () => {
    const { coordinator, nodes, adopted, look, pass } = setUp(3);
    look();
    await pass(1_000);
    nodes.set(1, { leaderEpoch: 1 });
    coordinator.isAway = true;
    await pass(2_000);
    expect(adopted).toEqual([]);
    coordinator.isAway = false;
    await pass(600);
    expect(adopted[0]!.map(({ record }) => record.partition)).toEqual([1]);
  });

  test("reads a bounded number in a look, some at once, and the others in the next", async () => {
    const { reads, inFlight, look, pass } = setUp(2_500);
    look();
    const looked = async () => {
      const from = reads.length;
      await pass(from === 0 ? 400 : 517);
      return reads.slice(from).map(({ number }) => number);
    };
    const looks = [await looked(), await looked(), await looked()];
    expect(looks.map(({ length }) => length)).toEqual([1_000, 1_000, 1_000]);
    expect(new Set(looks.flat()).size).toBe(2_500);
    expect(inFlight.most).toBe(64);
  });

  test("that leads nothing reads nothing", async () => {
    const { reads, look, pass } = setUp(0);
    look();
    await pass(5_000);
    expect(reads).toEqual([]);
  });
});
