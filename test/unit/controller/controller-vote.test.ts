import { describe, expect, test } from "vitest";
import { ImageStore } from "../../../broker/cluster/cluster-image.ts";
import type { Reach } from "../../../broker/cluster/suspicion.ts";
import { type ControllerLife, ControllerVote, HoldOff } from "../../../broker/controller/controller-vote.ts";
import { type PeerCallOptions, type PeerRequester, PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import type { Address } from "../../../protocol/base/transport.ts";
import type { ControllerUnreachableRequest } from "../../../protocol/peer/messages.ts";
import { SimClock } from "../../sim/sim-clock.ts";

const controllerId = 1;

/** Its part in votes: whom it reaches, and what it has been told to replace. */
class Voter {
  readonly id: number;
  readonly images = new ImageStore("cluster");
  readonly vote: ControllerVote;
  readonly away = new Map<number, Exclude<Reach, "reached">>();
  readonly replaced: { readonly life: ControllerLife; readonly atMs: number }[] = [];
  readonly aborter = new AbortController();
  holder: number | null = controllerId;
  /** It answers no requests of others. */
  isSilent = false;
  asked = 0;
  readonly #listeners = new Set<() => void>();

  constructor(world: Votes, id: number, epochs: Readonly<Record<number, number>>) {
    this.id = id;
    const voter = this;
    this.vote = new ControllerVote({
      brokerId: id,
      peers: world.peers(id),
      images: this.images,
      watch: {
        reachOf: (other) => this.away.get(other) ?? "reached",
        hearsMajority: true,
        isAskedBy: () => true,
        onChange: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      clock: world.sim.forOwner(`broker ${id}`),
      controller: {
        get holder() {
          return voter.holder;
        },
        replace: (life) => this.replaced.push({ life, atMs: world.sim.nowMs }),
      },
    });
    this.knows(epochs);
    this.vote.start(this.aborter.signal);
  }

  /** These brokers are registered, with these epochs. */
  knows(epochs: Readonly<Record<number, number>>): void {
    const all = Object.entries(epochs).map(([id, epoch]) => ({ id: Number(id), epoch }));
    const brokers = all.map(({ id, epoch }) => [id, { id, epoch, rack: null, endpoints: [], peer: { host: "h", port: id } }] as const);
    this.images.replace({ ...this.images.current, brokers: new Map(brokers) });
  }

  /** It does not reach these. */
  loses(...ids: readonly number[]): void {
    for (const id of ids) this.away.set(id, "silent");
    this.look();
  }

  reaches(id: number): void {
    this.away.delete(id);
    this.look();
  }

  look(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

class Votes {
  readonly sim = new SimClock();
  readonly voters = new Map<number, Voter>();

  constructor(count: number) {
    const epochs = Object.fromEntries(Array.from({ length: count }, (_, index) => [index + 1, 101 + index]));
    for (let id = 1; id <= count; id++) this.voters.set(id, new Voter(this, id, epochs));
  }

  of(id: number): Voter {
    return this.voters.get(id)!;
  }

  peers(from: number): PeerRequester {
    const clock = this.sim.forOwner(`broker ${from}`);
    const request = async (to: Address, _kind: string, body: ControllerUnreachableRequest, { timeoutMs, signal }: PeerCallOptions) => {
      const voter = this.of(to.port);
      voter.asked++;
      await sleep(clock, voter.isSilent ? timeoutMs : 1, signal);
      if (voter.isSilent) throw new PeerUnavailable("no answer");
      const answer = await voter.vote.answer(body);
      await sleep(clock, 1, signal);
      return { body: answer, payload: Buffer.alloc(0) };
    };
    return { request: request as unknown as PeerRequester["request"] };
  }

  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.sim.schedule("test", ms, () => {
      isOver = true;
    });
    while (!isOver) await this.sim.step();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Who replaces the controller. */
  get replacing(): number[] {
    return [...this.voters.values()].filter(({ replaced }) => replaced.length > 0).map(({ id }) => id);
  }
}

const life = (brokerId: number, brokerEpoch: number): ControllerLife => ({ brokerId, brokerEpoch });

describe("a controller that cannot be reached", () => {
  test.each([3, 5])("is replaced as soon as a majority of %i agrees, whoever asks first", async (count) => {
    const world = new Votes(count);
    const others = Array.from({ length: count - 1 }, (_, index) => index + 2);
    const majority = (count + 1) / 2;
    for (const id of others.slice(0, majority - 1)) world.of(id).loses(controllerId);
    await world.pass(1_000);
    expect(world.replacing, "one is missing").toEqual([]);
    world.of(others[majority - 1]!).loses(controllerId);
    await world.pass(300);
    expect(world.replacing.length).toBeGreaterThan(0);
    expect(world.of(world.replacing[0]!).replaced[0]!.life).toEqual(life(controllerId, 101));
  });

  test("is replaced within milliseconds of the majority's knowing it", async () => {
    const world = new Votes(3);
    for (const id of [2, 3]) world.of(id).loses(controllerId);
    await world.pass(5);
    expect(world.replacing).toEqual([2, 3]);
  });

  test("is none that others cannot reach under another registration, or do not know as the controller", async () => {
    const world = new Votes(3);
    world.of(3).knows({ 1: 201, 2: 102, 3: 103 });
    world.of(3).away.set(controllerId, "gone");
    world.of(2).loses(controllerId);
    await world.pass(2_000);
    expect(world.replacing, "3 knows a later life of it").toEqual([]);
    world.of(3).knows({ 1: 101, 2: 102, 3: 103 });
    world.of(3).holder = 2;
    await world.pass(2_000);
    expect(world.replacing, "3 knows another controller").toEqual([]);
    world.of(3).holder = controllerId;
    await world.pass(300);
    expect(world.replacing).toEqual([2]);
  });

  test("is replaced without waiting for a broker that is silent", async () => {
    const world = new Votes(5);
    world.of(5).isSilent = true;
    for (const id of [2, 3, 4]) world.of(id).loses(controllerId);
    await world.pass(5);
    expect(world.replacing).toEqual([2, 3, 4]);
  });

  test("stays where half of the brokers are silent, and where this one is cut off from all", async () => {
    const world = new Votes(4);
    world.of(4).isSilent = true;
    world.of(2).loses(controllerId, 4);
    world.of(3).away.set(controllerId, "silent");
    await world.pass(10_000);
    expect(world.replacing, "two of four").toEqual([]);
    const cut = new Votes(3);
    cut.of(2).loses(1, 3);
    cut.of(3).isSilent = true;
    await cut.pass(10_000);
    expect(cut.replacing).toEqual([]);
    const two = new Votes(2);
    two.of(2).loses(controllerId);
    await two.pass(10_000);
    expect(two.replacing).toEqual([]);
  });

  test("is asked about a few times a second, and no more once it is back, or this broker stops", async () => {
    const world = new Votes(3);
    world.of(2).loses(controllerId);
    await world.pass(1_000);
    const before = world.of(3).asked;
    for (let look = 0; look < 80; look++) {
      world.of(2).look();
      await world.pass(125);
    }
    expect(world.of(3).asked - before).toBeGreaterThanOrEqual(35);
    expect(world.of(3).asked - before).toBeLessThanOrEqual(45);
    expect(world.of(1).asked, "it is not asked itself").toBe(0);
    world.of(2).reaches(controllerId);
    await world.pass(300);
    const then = world.of(3).asked;
    await world.pass(5_000);
    expect(world.of(3).asked).toBe(then);
    world.of(2).loses(controllerId);
    await world.pass(100);
    expect(world.of(3).asked, "it can be away again").toBeGreaterThan(then);
    world.of(2).aborter.abort();
    await world.pass(1);
    const last = world.of(3).asked;
    world.of(3).loses(controllerId);
    world.of(2).look();
    await world.pass(5_000);
    expect([world.of(3).asked, world.of(2).replaced, world.of(2).vote.isControllerAway]).toEqual([last, [], false]);
    expect(world.replacing, "nor does it agree with anyone").toEqual([]);
  });

  test("is one by another's registration, of which something is known, and not this broker", () => {
    const world = new Votes(3);
    const isAway = (id: number) => world.of(id).vote.isControllerAway;
    for (const id of [1, 2, 3]) world.of(id).away.set(controllerId, "silent");
    expect([isAway(1), isAway(2)]).toEqual([false, true]);
    world.of(2).holder = null;
    world.of(3).knows({ 2: 102, 3: 103 });
    expect([isAway(2), isAway(3)]).toEqual([false, false]);
  });

  test("that came after one that was replaced has a second before it is replaced as well", async () => {
    const world = new Votes(3);
    for (const id of [1, 2]) world.of(id).away.set(3, "silent");
    for (const id of [2, 3]) world.of(id).loses(controllerId);
    await world.pass(5);
    expect(world.replacing).toEqual([2, 3]);
    const replacedMs = world.of(2).replaced[0]!.atMs;
    for (const id of [1, 2, 3]) world.of(id).holder = 3;
    for (const id of [1, 2]) world.of(id).look();
    await world.pass(2_000);
    const next = [1, 2].flatMap((id) => world.of(id).replaced.filter(({ life: of }) => of.brokerId === 3));
    expect(next.length).toBeGreaterThan(0);
    expect(Math.min(...next.map(({ atMs }) => atMs)) - replacedMs).toBeGreaterThan(990);
  });
});

describe("the hold-off", () => {
  const all = () => true;

  test("lets the first be replaced at once, and each further one within a minute after twice as long", () => {
    const holdOff = new HoldOff();
    let nowMs = 5_000;
    expect(holdOff.take(life(1, 101), nowMs, all)).toBe(true);
    for (const [place, waitMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 16_000].entries()) {
      const next = life(2 + place, 200);
      expect(holdOff.take(next, nowMs + waitMs - 1, all), `${waitMs}`).toBe(false);
      nowMs += waitMs;
      expect(holdOff.take(next, nowMs, all), `${waitMs}`).toBe(true);
    }
  });

  test("counts the same one again for nothing, but another registration of it, and the first after it returned", () => {
    const holdOff = new HoldOff();
    expect([0, 500, 900].map((atMs) => holdOff.take(life(1, 101), atMs, all))).toEqual([true, true, true]);
    expect(holdOff.take(life(1, 102), 999, all)).toBe(false);
    expect(holdOff.take(life(1, 102), 1_000, all)).toBe(true);
    expect(holdOff.take(life(1, 101), 2_999, all)).toBe(false);
    expect(holdOff.take(life(1, 101), 3_000, all)).toBe(true);
  });

  test("forgets after a minute", () => {
    const holdOff = new HoldOff();
    holdOff.take(life(1, 101), 0, all);
    holdOff.take(life(2, 102), 1_000, all);
    expect(holdOff.take(life(3, 103), 61_001, all)).toBe(true);
    expect(holdOff.take(life(1, 101), 61_500, all)).toBe(false);
    expect(holdOff.take(life(1, 101), 62_001, all)).toBe(true);
  });

  test("does not count those whose registration is gone: controllers that die one after the other are replaced at once", () => {
    const holdOff = new HoldOff();
    const registered = new Set([101, 102]);
    const isRegistered = ({ brokerEpoch }: ControllerLife) => registered.has(brokerEpoch);
    const take = (brokerId: number, epoch: number, atMs: number) => {
      registered.add(epoch);
      return holdOff.take(life(brokerId, epoch), atMs, isRegistered);
    };
    for (let round = 0; round < 10; round++) {
      expect(take(1, 200 + round, round * 5_000)).toBe(true);
      registered.delete(200 + round);
    }
    expect(take(1, 300, 50_000)).toBe(true);
    expect(take(2, 301, 50_999), "the one before is still registered").toBe(false);
    expect(take(2, 301, 51_000)).toBe(true);
  });
});
