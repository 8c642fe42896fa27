import { describe, expect, test } from "vitest";
import { heartbeatHandler } from "../../../broker/cluster/peer-watch.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { type Logged, recordingLogger } from "../network/client-harness.ts";
import { type Behaviour, calm, suspectTimeoutMs, type Watching } from "./watching.ts";

const bothReached = ["reached", "reached"];

/** One of them is always heard from some 50 ms before the other, and the watch's look comes at another time again. */
async function unequal(log: Logger = silentLogger): Promise<Watching> {
  const world = await calm([2, 3], log);
  await world.pass(60);
  world.peer(3).breakLinks();
  await world.pass(940);
  return world;
}

describe("a broker that answers", () => {
  test("is asked at once, and then always has one request to hold", async () => {
    const world = await calm();
    expect(world.peer(2).asked.slice(0, 3)).toEqual([
      { atMs: 0, waitMs: 0 },
      { atMs: 1, waitMs: 250 },
      { atMs: 252, waitMs: 250 },
    ]);
    expect(world.peer(2).pending).toBe(1);
    expect([world.watch.reachOf(2), world.changes, world.givenUp]).toEqual(["reached", [], []]);
  });

  test("is no longer asked when its registration is gone; a later one is watched from the start", async () => {
    const world = await calm();
    world.peer(2).die();
    await world.pass(50);
    expect(world.suspects).toEqual({ 2: "gone" });
    world.register({ 1: 10, 3: 30 });
    expect([world.suspects, world.watch.reachOf(2)]).toEqual([{}, "reached"]);
    expect(await world.askedWithin(2, 5_000)).toBe(0);
    world.register({ 1: 10, 2: 77, 3: 30 });
    await world.pass(500);
    expect(world.suspects, "its port may refuse for a while yet").toEqual({});
    Object.assign(world.peer(2), { does: "answers", epoch: 77 });
    await world.pass(3_000);
    expect(world.suspects).toEqual({});
  });

  test("is watched anew under a registration that follows at once", async () => {
    const world = await calm();
    world.peer(2).epoch = 21;
    world.register({ 1: 10, 2: 21, 3: 30 });
    await world.pass(3_000);
    expect([world.suspects, world.watch.reachOf(2), world.changes]).toEqual([{}, "reached", []]);
  });

  test("keeps its watch when others come and go", async () => {
    const world = await calm();
    const { length } = world.peer(2).asked;
    world.register({ 1: 10, 2: 20, 4: 40 });
    await world.pass(240);
    expect(world.peer(2).asked.length - length).toBeLessThanOrEqual(1);
    expect([world.peer(3).pending, world.peer(4).asked.length]).toEqual([0, 2]);
  });
});

describe("a process that is gone", () => {
  test("is known to be as soon as its link breaks and its port refuses", async () => {
    const world = await calm();
    world.peer(3).die();
    expect(await world.until(() => world.watch.reachOf(3) === "gone")).toBeLessThan(5);
    expect([world.suspects, world.givenUp]).toEqual([{ 3: "gone" }, []]);
  });

  test("whose port is open for a moment longer than its links is, too", async () => {
    const world = await calm();
    world.peer(3).next.push("breaks", "breaks");
    world.peer(3).die();
    expect(await world.until(() => world.watch.reachOf(3) === "gone")).toBeLessThan(40);
  });

  test("is not, where only a link broke: it is opened again at once", async () => {
    const world = await calm();
    world.peer(3).breakLinks();
    await world.pass(2);
    expect(
      world
        .peer(3)
        .asked.slice(-2)
        .map(({ waitMs }) => waitMs),
    ).toEqual([0, 250]);
    expect(world.changes).toEqual([]);
  });

  test("of which another took the address says so by its epoch", async () => {
    const world = await calm();
    world.peer(3).epoch = 31;
    await world.pass(300);
    expect(world.suspects).toEqual({ 3: "gone" });
    world.peer(3).epoch = 30;
    await world.pass(300);
    expect(world.suspects).toEqual({});
  });

  test("is one that came back, once it answers", async () => {
    const world = await calm();
    world.peer(3).die();
    await world.pass(1_500);
    expect(world.suspects, "and stays gone, however long it is silent").toEqual({ 3: "gone" });
    world.peer(3).does = "answers";
    expect(await world.until(() => world.watch.reachOf(3) === "reached")).toBeLessThanOrEqual(255);
    expect(world.suspects).toEqual({});
  });

  test.each(["refuses", "another epoch"] as const)("counts only after the timeout where it has never answered (%s)", async (how) => {
    const world = await calm([2]);
    world.register({ 1: 10, 2: 20, 3: 30 }, how === "refuses" ? { does: "refuses" } : { epoch: -1 });
    await world.pass(suspectTimeoutMs - 50);
    expect([world.watch.reachOf(3), world.suspects]).toEqual(["reached", {}]);
    await world.pass(200);
    expect([world.watch.reachOf(3), world.suspects]).toEqual(["gone", { 3: "gone" }]);
    Object.assign(world.peer(3), { does: "answers", epoch: 30 });
    await world.pass(300);
    expect(world.suspects).toEqual({});
  });
});

describe("a broker that is silent", () => {
  test("is suspected after the timeout, and what waits on its links is given up then, and again when it is back", async () => {
    const world = await calm();
    const lastHeardMs = world.peer(2).asked.at(-1)!.atMs;
    world.peer(2).does = "silent";
    world.peer(2).breakLinks();
    await world.until(() => world.watch.reachOf(2) === "silent");
    const afterMs = world.sim.nowMs - lastHeardMs;
    expect(afterMs).toBeGreaterThan(suspectTimeoutMs);
    await world.pass(suspectTimeoutMs / 8);
    expect([world.suspects, world.givenUp]).toEqual([{ 2: "silent" }, [2]]);
    await world.pass(3_000);
    expect(world.givenUp).toEqual([2]);
    world.peer(2).does = "answers";
    await world.until(() => world.watch.reachOf(2) === "reached");
    await world.pass(100);
    expect([world.suspects, world.givenUp]).toEqual([{}, [2, 2]]);
  });

  test("is gone when its port refuses after all, which gives its links up once more", async () => {
    const world = await calm();
    world.peer(2).does = "silent";
    await world.pass(2_000);
    world.peer(2).die();
    await world.pass(50);
    expect([world.suspects, world.givenUp]).toEqual([{ 2: "gone" }, [2, 2]]);
  });

  test("is told of again and again while it is away, and not once it is back; the suspicion is the same object meanwhile", async () => {
    const world = await calm();
    world.peer(2).does = "silent";
    await world.pass(1_500);
    const { suspects } = world.watch;
    const { length } = world.changes;
    await world.pass(1_000);
    expect(world.changes.length - length).toBeGreaterThanOrEqual(8);
    expect(world.watch.suspects).toBe(suspects);
    world.peer(2).does = "answers";
    await world.pass(1_500);
    world.changes.length = 0;
    await world.pass(3_000);
    expect(world.changes).toEqual([]);
  });
});

describe("this broker itself", () => {
  test("suspects nobody when it hears from no majority, though it knows whom it does not reach", async () => {
    const world = await calm();
    for (const id of [2, 3]) world.peer(id).does = "silent";
    await world.pass(1_900);
    expect([world.watch.reachOf(2), world.watch.reachOf(3), world.suspects]).toEqual(["silent", "silent", {}]);
    expect(world.changes.length).toBeGreaterThan(0);
    const two = await calm([2]);
    two.peer(2).die();
    await two.pass(100);
    expect([two.watch.reachOf(2), two.suspects]).toEqual(["gone", {}]);
  });

  test("cut off from two at once it never suspects one of them, whenever the cut comes", async () => {
    for (let afterMs = 0; afterMs < 260; afterMs += 10) {
      const world = await unequal();
      await world.pass(afterMs);
      for (const id of [2, 3]) world.peer(id).does = "silent";
      for (const id of [2, 3]) world.peer(id).breakLinks();
      for (let passedMs = 0; passedMs < 1_500; passedMs += 5) {
        await world.pass(5);
        expect(world.suspects, `${afterMs}: ${passedMs} ms after the cut`).toEqual({});
      }
      expect(world.watch.reachOf(2)).toBe("silent");
    }
  });

  test("that did not run for a while suspects nobody for it, in whatever order things happen then", async () => {
    const lines: Logged[] = [];
    for (let afterMs = 0; afterMs < 260; afterMs += 10) {
      const world = await unequal(recordingLogger(lines));
      await world.pass(afterMs);
      const suspected = new Set<number>();
      world.watch.onChange(() => {
        for (const id of world.watch.suspects.keys()) suspected.add(id);
      });
      world.sim.pause("us");
      await world.pass(5_000);
      world.sim.resume("us");
      // whoever asks before anything else has happened
      if (afterMs % 20 === 0) expect([world.watch.reachOf(2), world.watch.reachOf(3)]).toEqual(bothReached);
      await world.pass(3_000);
      expect([[...suspected], world.givenUp, world.changes], `after ${afterMs} ms`).toEqual([[], [], []]);
      expect([world.watch.reachOf(2), world.watch.reachOf(3)]).toEqual(bothReached);
    }
    expect(lines.filter(({ message }) => message.includes("did not run for a while")).length).toBeGreaterThan(0);
  });

  test("that did not run for a while is in doubt whether it was replaced, until that is settled; not for a moment's pause", async () => {
    const world = await unequal();
    let stalls = 0;
    world.watch.onStall(() => stalls++);
    const pause = async (ms: number) => {
      world.sim.pause("us");
      await world.pass(ms);
      world.sim.resume("us");
    };
    await pause(300);
    expect(world.watch.stallInDoubt).toBeNull();
    await world.pass(1_000);
    await pause(1_500);
    expect([world.watch.stallInDoubt, stalls], "whoever asks first").toEqual([1, 1]);
    await world.pass(3_000);
    expect([world.watch.stallInDoubt, stalls]).toEqual([1, 1]);
    await pause(1_500);
    await world.pass(500);
    world.watch.settleStall(1);
    expect([world.watch.stallInDoubt, stalls], "of another stall nothing is known").toEqual([2, 2]);
    world.watch.settleStall(2);
    expect(world.watch.stallInDoubt).toBeNull();
  });

  test("that did not run for a while still notices who is away", async () => {
    const world = await unequal();
    await world.pass(10);
    world.sim.pause("us");
    world.peer(2).does = "silent";
    await world.pass(5_000);
    world.sim.resume("us");
    await world.pass(700);
    expect(world.suspects).toEqual({});
    await world.pass(700);
    expect(world.suspects).toEqual({ 2: "silent" });
  });

  test("that stops asks nobody any more, and suspects nobody", async () => {
    const world = await calm();
    world.peer(2).die();
    await world.pass(100);
    expect(world.suspects).toEqual({ 2: "gone" });
    world.aborter.abort();
    expect([world.suspects, world.watch.reachOf(2)]).toEqual([{}, "reached"]);
    expect([await world.askedWithin(2, 3_000), await world.askedWithin(3, 3_000)]).toEqual([0, 0]);
    world.register({ 1: 10, 4: 40 });
    expect(await world.askedWithin(4, 1_000)).toBe(0);
  });
});

describe("a watch asks a bounded number of times a second", () => {
  const states: readonly Behaviour[] = ["answers", "answers at once", "refuses", "breaks", "silent", "fails at once"];
  test.each(states)("of a broker that %s", async (does) => {
    const world = await calm();
    world.peer(2).does = does;
    world.peer(2).breakLinks();
    // a link that breaks is tried more often at first
    expect(await world.askedWithin(2, 1_000)).toBeLessThanOrEqual(15);
    for (let second = 0; second < 5; second++) expect(await world.askedWithin(2, 1_000)).toBeLessThanOrEqual(8);
  });

  test.each([{ epoch: 40 }, { epoch: 41 }])(
    "of one that answers at once from the beginning, in its epoch or another ($epoch)",
    async (script) => {
      const world = await calm();
      world.register({ 1: 10, 2: 20, 3: 30, 4: 40 }, { ...script, does: "answers at once" });
      for (let second = 0; second < 3; second++) expect(await world.askedWithin(4, 1_000)).toBeLessThanOrEqual(8);
    },
  );

  test("and not too seldom, of one whose links have broken for long", async () => {
    const world = await calm();
    world.peer(2).does = "breaks";
    world.peer(2).breakLinks();
    await world.pass(60_000);
    expect(await world.askedWithin(2, 1_000)).toBeGreaterThanOrEqual(3);
  });

  test("of one that answers once and then breaks, for ever", async () => {
    const world = await calm();
    world.peer(2).next.push(...Array.from({ length: 2_000 }, (_, at): Behaviour => (at % 2 === 0 ? "breaks" : "answers")));
    world.peer(2).breakLinks();
    expect(await world.askedWithin(2, 1_000)).toBeLessThanOrEqual(30);
    for (let second = 0; second < 3; second++) expect(await world.askedWithin(2, 1_000)).toBeLessThanOrEqual(15);
  });
});

test("a broker that does not ask us is told of, though it answers: it may not reach us", async () => {
  const world = await calm();
  expect(world.watch.isAskedBy(2)).toBe(true);
  world.asks = () => false;
  world.changes.length = 0;
  await world.pass(2_000);
  expect([world.watch.isAskedBy(2), world.watch.reachOf(2), world.suspects]).toEqual([false, "reached", {}]);
  expect(world.changes.length).toBeGreaterThan(0);
});

test("a broker that does not ask us is cut off from us if a majority asks; otherwise we may be the one that is", async () => {
  const world = await calm();
  world.asks = (id) => id !== 2;
  await world.pass(700);
  expect(world.watch.isCutOffFromUs(2)).toBe(false);
  await world.pass(1_300);
  expect([2, 3].map((id) => world.watch.isCutOffFromUs(id))).toEqual([true, false]);
  world.asks = () => false;
  await world.pass(2_000);
  expect([2, 3].map((id) => world.watch.isCutOffFromUs(id))).toEqual([false, false]);
});

test("after everybody was away, the first that answers does not make suspects of those that are about to", async () => {
  const world = await calm();
  for (const id of [2, 3]) world.peer(id).does = "silent";
  await world.pass(5_000);
  expect([world.watch.hearsMajority, world.suspects]).toEqual([false, {}]);
  world.peer(2).does = "answers";
  await world.until(() => world.watch.hearsMajority, 3_000);
  expect([world.watch.reachOf(3), world.suspects]).toEqual(["reached", {}]);
  await world.pass(700);
  expect(world.suspects, "and those that do not are suspected half a timeout later").toEqual({ 3: "silent" });
});

test("a registration that has not answered yet makes no majority", async () => {
  const world = await calm();
  for (const id of [2, 3]) world.peer(id).does = "silent";
  world.register({ 1: 10, 2: 20, 3: 31 });
  await world.pass(999);
  expect([world.watch.hearsMajority, world.suspects]).toEqual([false, {}]);
});

describe("the other end of a heartbeat", () => {
  async function answered(waitMs: number, membership = { epoch: 5 }) {
    const sim = new SimClock();
    const answer = heartbeatHandler(sim.forOwner("us"), membership, { noteAsked: () => {}, isStuck: false })(
      { brokerId: 2, waitMs },
      Buffer.alloc(0),
      "test",
    );
    const state = { isAnswered: false };
    void answer.then(() => {
      state.isAnswered = true;
    });
    return { sim, answer, state };
  }

  test.each([
    [0, 0],
    [250, 250],
    [10_000, 10_000],
    [2 ** 31, 10_000],
  ])("asked to wait for %i ms it answers after %i", async (waitMs, afterMs) => {
    const { sim, answer } = await answered(waitMs);
    while (await sim.step());
    expect([(await answer).body, sim.nowMs]).toEqual([{ brokerEpoch: 5, isStuck: false }, afterMs]);
  });

  test("says under which registration it is when it answers", async () => {
    const membership = { epoch: 5 };
    const { sim, answer } = await answered(250, membership);
    membership.epoch = -1;
    while (await sim.step());
    expect((await answer).body).toEqual({ brokerEpoch: -1, isStuck: false });
  });
});
