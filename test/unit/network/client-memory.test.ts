import { describe, expect, test } from "vitest";
import { slowestHolders } from "../../../broker/network/memory-reclaim.ts";
import { sliceMs, Turns } from "../../../broker/runtime/turns.ts";
import { type Client, ClientHarness, fetchKey, produce, request } from "./client-harness.ts";
import { ManualClock, settled } from "./manual-clock.ts";

const memoryMaxBytes = 400_000;
/** A second of being short, and what the clock of the test needs. */
const reclaimMs = 1_001;

function start(more = {}): Promise<ClientHarness> {
  return new ClientHarness().start({ clientMemoryMaxBytes: memoryMaxBytes, ...more });
}

/** Connections that begin large requests and leave it at that. */
async function halfRequests(broker: ClientHarness, count: number, bytes: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    const client = await broker.connect();
    await client.send(produce(1, "x".repeat(bytes * 2)).subarray(0, bytes));
    clients.push(client);
  }
  return clients;
}

const isClosed = (clients: readonly Client[]) => clients.map(({ link }) => link.isClosed);

describe("the memory for clients", () => {
  test("half a request counts as far as it has come, and no longer than its connection lives", async () => {
    const broker = await start();
    const [client] = await halfRequests(broker, 1, 100_000);
    expect(broker.listeners.heldBytes).toBeGreaterThan(99_000);
    client?.link.destroy();
    await settled();
    expect(broker.listeners.heldBytes).toBe(0);
  });

  test("when half requests have spent it, small requests are served at once, large ones as soon as those that hold most are closed", async () => {
    const broker = await start();
    const attackers = await halfRequests(broker, 3, 150_000);
    const [heartbeat, large] = [await broker.connect(), await broker.connect()];
    for (let i = 0; i < 10; i++) {
      await heartbeat.send(produce(i, "beat"));
      broker.asked[i]?.answer("ok");
    }
    expect((await heartbeat.answers()).length).toBe(10);
    const body = "y".repeat(60_000);
    const frame = produce(7, body);
    await large.send(frame.subarray(0, 10_000));
    await large.send(frame.subarray(10_000));
    expect(broker.asked.length, "it is not even read").toBe(10);
    await broker.clock.advance(reclaimMs);
    expect(broker.asked.at(-1)?.body).toBe(body);
    expect(isClosed(attackers).filter(Boolean).length, "until three quarters are left").toBe(2);
    expect(isClosed([heartbeat, large])).toEqual([false, false]);
    expect(broker.lines).toHaveLength(1);
    expect(broker.lines[0]).toMatchObject({ level: "warn", fields: { closed: 2, maxBytes: memoryMaxBytes } });
    expect(broker.lines[0]?.fields.remotes).toHaveLength(2);
  });

  test("answers that nobody reads count until they are gone, and their connection is closed for them; one that reads is not", async () => {
    const broker = await start({ unsentBytesPerConnectionMax: 1_000_000 });
    const [unread, slow, reader] = [await broker.connect(), await broker.connect(), await broker.connect()];
    for (const { link } of [unread, slow]) link.other.isStalled = true;
    for (const [i, client] of [unread, slow, reader].entries()) {
      await client.send(produce(i, "a"));
      broker.asked[i]?.answer("z".repeat(i === 0 ? 300_000 : 150_000));
      await settled();
    }
    expect(broker.listeners.heldBytes, "the reader's answer has left").toBeGreaterThan(450_000);
    expect(broker.listeners.heldBytes).toBeLessThan(460_000);
    await broker.clock.advance(reclaimMs);
    expect(isClosed([unread, slow, reader])).toEqual([true, false, false]);
    expect(broker.listeners.heldBytes).toBeLessThan(160_000);
    slow.link.other.isStalled = false;
    slow.link.other.pump();
    await settled();
    expect(broker.listeners.heldBytes).toBe(0);
  });

  test("a request that waits counts only what is still needed of it", async () => {
    const broker = await start({ requestBytesInFlightPerConnectionMax: 150_000 });
    const waiting: Client[] = [];
    for (let i = 0; i < 20; i++) {
      const client = await broker.connect();
      await client.send(produce(1, "x".repeat(100_000)));
      broker.asked[i]?.context.meter.releaseRequest();
      waiting.push(client);
    }
    expect(broker.asked.length, "ten times the memory was read").toBe(20);
    expect(broker.listeners.heldBytes).toBeLessThan(20 * 1000);
    await waiting[0]?.send(produce(2, "x".repeat(100_000)));
    expect(broker.asked.length, "nor does it hold up its own connection").toBe(21);
    await broker.clock.advance(10 * reclaimMs);
    expect(isClosed(waiting).includes(true)).toBe(false);
    for (const { answer } of broker.asked) answer("ok");
    await settled();
    expect(broker.listeners.heldBytes).toBe(0);
  });

  test("requests under way that take long are no reason to close those who wait behind them", async () => {
    const broker = await start();
    const clients: Client[] = [];
    for (let i = 0; i < 6; i++) {
      const client = await broker.connect();
      const frame = produce(1, "x".repeat(100_000));
      await client.send(frame.subarray(0, 30_000));
      await client.send(frame.subarray(30_000));
      clients.push(client);
    }
    expect(broker.asked.length).toBe(4);
    await broker.clock.advance(20 * reclaimMs);
    expect(isClosed(clients).includes(true)).toBe(false);
    for (let i = 0; i < 6; i++) {
      broker.asked[i]?.answer("ok");
      await settled();
    }
    expect(broker.asked.length).toBe(6);
    expect(broker.lines).toEqual([]);
  });

  /** All of them at once, a fortieth of each request at a time. */
  async function uploads(broker: ClientHarness, count: number, bytes: number): Promise<Client[]> {
    const clients: Client[] = [];
    for (let i = 0; i < count; i++) clients.push(await broker.connect());
    const frame = produce(1, "x".repeat(bytes));
    const pieceBytes = Math.ceil(frame.length / 40);
    for (let at = 0; at < frame.length; at += pieceBytes) {
      for (const { link } of clients) link.write([frame.subarray(at, at + pieceBytes)]);
      await settled();
    }
    return clients;
  }

  /** Answers whatever comes, until nothing more does. */
  async function serveAll(broker: ClientHarness, from = 0): Promise<number> {
    let served = from;
    for (; served < broker.asked.length; await settled()) broker.asked[served++]?.answer("ok");
    return served;
  }

  test("requests that arrive slowly from very many do not wait for each other, and nobody is closed", async () => {
    const broker = await start();
    const clients = await uploads(broker, 60, 40_000);
    expect(broker.listeners.heldBytes).toBeGreaterThan(memoryMaxBytes);
    expect(broker.listeners.heldBytes, "little more than that").toBeLessThan(memoryMaxBytes * 1.5);
    expect(await serveAll(broker)).toBe(60);
    expect(isClosed(clients).includes(true)).toBe(false);
    expect([broker.listeners.heldBytes, broker.lines]).toEqual([0, []]);
  });

  test("whoever is let on and sends nothing loses its turn to others", async () => {
    const broker = await start();
    const silent = await halfRequests(broker, 2, 199_000);
    const [last] = await halfRequests(broker, 1, 12_000); // misses least, and is too small to be closed for it
    const [honest] = await uploads(broker, 1, 60_000);
    expect(broker.asked).toEqual([]);
    await broker.clock.advance(reclaimMs);
    expect(await serveAll(broker)).toBe(1);
    expect(isClosed([...silent, last, honest] as Client[]).filter(Boolean).length).toBe(1);
  });

  test("while the disk stands still nobody is closed, and what is beyond the memory stays little", async () => {
    const broker = await start();
    const clients: Client[] = [];
    for (let i = 0; i < 7; i++) clients.push(await broker.connect());
    const frame = produce(1, "x".repeat(38_000));
    for (const client of clients) await client.send(frame);
    const large = produce(2, "x".repeat(50_000));
    for (let at = 0; at < 25_000; at += 5_000) for (const client of clients) await client.send(large.subarray(at, at + 5_000));
    expect(broker.asked.length).toBe(7);
    await broker.clock.advance(5 * reclaimMs);
    for (const client of clients) await client.send(large.subarray(25_000));
    await broker.clock.advance(5 * reclaimMs);
    expect(isClosed(clients).includes(true)).toBe(false);
    expect(broker.listeners.heldBytes).toBeLessThan(memoryMaxBytes * 1.5);
    expect(await serveAll(broker)).toBe(14);
    expect([broker.listeners.heldBytes, broker.lines]).toEqual([0, []]);
  });

  test("what is being served counts until it is done, also when its client has gone: nobody can send the same again and again", async () => {
    const broker = await start();
    const frame = produce(1, "x".repeat(100_000));
    for (let i = 0; i < 10; i++) {
      const client = await broker.connect();
      await client.send(frame.subarray(0, 30_000));
      await client.send(frame.subarray(30_000));
      client.link.destroy();
      await settled();
    }
    expect(broker.asked.length).toBe(4);
    expect(() => broker.asked[0]?.context.meter.checkAwaited()).toThrow("the client is gone");
    expect(broker.listeners.heldBytes).toBeGreaterThan(400_000);
    broker.asked[0]?.context.meter.releaseRequest();
    expect(broker.listeners.heldBytes).toBeLessThan(301_000);
    broker.asked[1]?.fail(new Error("the log is gone"));
    for (const i of [0, 2, 3]) broker.asked[i]?.answer("ok");
    await settled();
    expect(broker.listeners.heldBytes).toBe(0);
    expect(broker.fatal).toEqual([]);
  });

  test("a fetch gets what there is room for, and waits while there is none", async () => {
    const broker = await start();
    const [one, two] = [await broker.connect(), await broker.connect()];
    await one.send(request(fetchKey, 4, 1, "f"));
    const meter = broker.asked[0]?.context.meter;
    expect(meter?.reserve(50_000)).toBe(50_000);
    expect(meter?.reserve(1_000_000), "half of what is left").toBeLessThan(memoryMaxBytes / 2);
    for (let i = 0; i < 3; i++) expect(meter?.reserve(1_000_000), "enough to count").toBeGreaterThanOrEqual(64 * 1024);
    meter?.settle(50_000, 600_000); // a single batch larger than that
    const others: Client[] = [];
    for (let i = 0; i < 10; i++) {
      const other = await broker.connect();
      await other.send(request(fetchKey, 4, 1, `${i}`));
      others.push(other);
    }
    await two.send(request(fetchKey, 4, 1, "g"), produce(2, "after it"));
    expect(broker.asked.length, "a few are read all the same").toBe(9);
    expect(broker.asked[8]?.context.meter.reserve(1_000_000)).toBe(64 * 1024);
    broker.asked[8]?.answer("7");
    await settled();
    broker.asked[1]?.context.meter.fetchWaits();
    others[1]?.link.destroy();
    await settled();
    expect(broker.asked.slice(9).map(({ body }) => body)).toEqual(["8", "9", "g", "after it"]);
    for (const { answer } of broker.asked.slice(0, 1)) answer("short");
    await settled();
    expect(broker.listeners.heldBytes).toBeLessThan(20_000);
  });

  test("very many that hold little and leave it at that are closed in the end; meanwhile consumers are served", async () => {
    const broker = await start();
    const many = await halfRequests(broker, 40, 11_000);
    const [consumer, large] = [await broker.connect(), await broker.connect()];
    await consumer.send(request(fetchKey, 4, 1, "f"));
    broker.asked[0]?.answer("records");
    expect(await consumer.answers()).toEqual(["1:records"]);
    const frame = produce(1, "x".repeat(100_000));
    await large.send(frame.subarray(0, 20_000));
    await large.send(frame.subarray(20_000));
    expect(broker.asked.length).toBe(1);
    await broker.clock.advance(12 * reclaimMs);
    expect(isClosed(many).filter(Boolean).length).toBeGreaterThan(8);
    expect(isClosed([consumer, large])).toEqual([false, false]);
    expect(broker.asked.length).toBe(2);
  });

  test("nobody seems to get on by having the same answer read over and over", async () => {
    const broker = await start();
    const client = await broker.connect();
    const half = produce(2, "x".repeat(400_000)).subarray(0, 250_000);
    await client.send(Buffer.concat([request(fetchKey, 4, 1, "parked"), half]));
    const others = await halfRequests(broker, 2, 80_000);
    const meter = broker.asked[0]?.context.meter;
    for (let i = 0; i < 20; i++) {
      meter?.settle(meter.reserve(60_000), 0);
      await broker.clock.advance(reclaimMs / 10);
    }
    expect(isClosed([client, ...others])).toEqual([true, false, false]);
  });

  test("an answer that becomes too large costs its own connection, with a line that says so, and nobody else", async () => {
    const broker = await start({ clientMemoryMaxBytes: 4_000_000 });
    const [greedy, other] = [await broker.connect(), await broker.connect()];
    await greedy.send(produce(1, "everything"));
    await other.send(produce(1, "a"));
    const made = () => {
      for (let i = 0; i < 100; i++) broker.asked[0]?.context.meter.take(20_000);
    };
    expect(made).toThrow(/more than 1048576 bytes/);
    try {
      made();
    } catch (error) {
      broker.asked[0]?.fail(error as Error);
    }
    await settled();
    expect(isClosed([greedy, other])).toEqual([true, false]);
    expect(broker.lines[0]).toMatchObject({ level: "warn", message: expect.stringContaining("the answer would be too large") });
    broker.asked[1]?.answer("A");
    expect(await other.answers()).toEqual(["1:A"]);
    expect(broker.listeners.heldBytes).toBe(0);
  });
});

describe("who is closed when memory is short", () => {
  const holder = (bytes: number, progress: number, lastCameMs = 0) => ({
    reclaimableBytes: bytes,
    half: { bytes, lastCameMs },
    takeProgress: () => ({ heldBytes: bytes, movedBytes: progress }),
  });

  test("of those that do not get on, the ones that hold most", () => {
    const [a, b, c, d] = [holder(50_000, 0), holder(900_000, 100_000), holder(80_000, 0), holder(70_000, 6_999)];
    const chosen = (neededBytes: number) => slowestHolders([a, b, c, d], { neededBytes, underWayBytes: 200_000, isSpentLong: true });
    expect(chosen(1)).toEqual([c]);
    expect(chosen(100_000)).toEqual([c, d]);
    expect(chosen(10_000_000), "not the one that moves").toEqual([c, d, a]);
  });

  test("where it is many who hold little, and that for long: those of them that sent nothing for longest", () => {
    const [moving, late, early] = [holder(5_000, 500), holder(5_000, 0, 7), holder(5_000, 0, 3)];
    const chosen = (isSpentLong: boolean) => slowestHolders([moving, late, early], { neededBytes: 1, underWayBytes: 0, isSpentLong });
    expect([chosen(false), chosen(true)]).toEqual([[], [early]]);
  });

  test("nobody, where requests under way hold more than all of them", () => {
    const slow = [holder(16_000, 0), holder(90_000, 0)];
    expect(slowestHolders(slow, { neededBytes: 1, underWayBytes: 110_000, isSpentLong: true })).toEqual([]);
    expect(slowestHolders(slow, { neededBytes: 1, underWayBytes: 80_000, isSpentLong: true })).toEqual([slow[1]]);
  });
});

test("long work gets a slice of each turn of the loop, and whoever waits is called in order", async () => {
  let turn = 0;
  class Ticking extends ManualClock {
    elapsedMs = 0;
    override monotonicMs(): number {
      return super.monotonicMs() + this.elapsedMs;
    }
    override schedule(delayMs: number, callback: () => void) {
      return super.schedule(delayMs, () => {
        turn++;
        callback();
      });
    }
  }
  const clock = new Ticking();
  const turns = new Turns(clock);
  expect(turns.isOver).toBe(false);
  clock.elapsedMs += sliceMs / 2;
  expect(turns.isOver).toBe(false);
  clock.elapsedMs += sliceMs / 2;
  expect(turns.isOver).toBe(true);
  const resumed: string[] = [];
  for (const name of ["a", "b", "long", "c", "d"])
    turns.whenNext(() => {
      resumed.push(`${name} in turn ${turn}`);
      expect(turns.isOver).toBe(false);
      clock.elapsedMs += name === "c" ? sliceMs : 1;
      return name === "long" ? "goes-on" : "done";
    });
  await clock.advance(0);
  expect(resumed).toEqual(["a in turn 1", "b in turn 1", "long in turn 1", "c in turn 2", "d in turn 3"]);
  expect(turns.isOver, "nobody has worked since").toBe(false);
});
