import { expect, test } from "vitest";
import { ClientHarness, produce } from "./client-harness.ts";
import { settled } from "./manual-clock.ts";

test("an idle connection is closed after its time, a used one is not", async () => {
  const broker = await new ClientHarness().start({ connectionIdleMaxMs: 60_000 });
  const [idle, used] = [await broker.connect(), await broker.connect()];
  for (let i = 0; i < 3; i++) {
    await broker.clock.advance(30_000);
    await used.send(produce(i, "a"));
    broker.asked[i]?.answer("A");
    await settled();
  }
  expect([idle.link.isClosed, used.link.isClosed]).toEqual([true, false]);
});

test("half a frame fed byte by byte does not keep a connection open", async () => {
  const broker = await new ClientHarness().start({ connectionIdleMaxMs: 60_000 });
  const slow = await broker.connect();
  const frame = produce(1, "x".repeat(1000));
  for (let i = 0; i < 80 && !slow.link.isClosed; i++) {
    await slow.send(frame.subarray(i, i + 1));
    await broker.clock.advance(1000);
  }
  expect(slow.link.isClosed).toBe(true);
  expect(broker.asked).toEqual([]);
});

test("a connection that waits for an answer is not idle", async () => {
  const broker = await new ClientHarness().start({ connectionIdleMaxMs: 1000 });
  const client = await broker.connect();
  await client.send(produce(1, "a"));
  await broker.clock.advance(10_000);
  broker.asked[0]?.answer("A");
  expect(await client.answers()).toEqual(["1:A"]);
});

test("connections above the broker's or the address's bound are closed at once, with one line for many", async () => {
  const broker = await new ClientHarness().start({ connectionsMax: 4, connectionsPerAddressMax: 3 });
  for (let i = 0; i < 6; i++) await broker.connect();
  await settled();
  expect(broker.transport.links.map(({ isClosed }) => isClosed)).toEqual([false, false, false, true, true, true]);
  broker.transport.clientHost = "10.0.0.2";
  await broker.connect();
  await broker.connect();
  await settled();
  expect(broker.transport.links.map(({ isClosed }) => isClosed).slice(6)).toEqual([false, true]);
  expect(broker.lines).toHaveLength(1);
  broker.transport.links[0]?.destroy();
  await settled();
  const again = await broker.connect();
  expect(again.link.isClosed, "a place was freed").toBe(false);
});

test("a bound on connections keeps nobody out who connects from the broker's own machine, where it can be changed", async () => {
  const broker = await new ClientHarness().start({ connectionsMax: 1, connectionsPerAddressMax: 1 });
  await broker.connect();
  for (const host of ["10.0.0.2", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"]) {
    broker.transport.clientHost = host;
    const client = await broker.connect();
    await settled();
    expect(client.link.isClosed, host).toBe(host === "10.0.0.2");
  }
  for (let i = 0; i < 30; i++) await broker.connect();
  expect(broker.listeners.connectionCount, "the reserve has a bound too").toBe(17);
});

test("the bound on connections may change while the broker runs", async () => {
  const broker = await new ClientHarness().start({ connectionsMax: 1 });
  await broker.connect();
  broker.limits = { ...broker.limits, connectionsMax: 2 };
  const second = await broker.connect();
  const third = await broker.connect();
  expect([second.link.isClosed, third.link.isClosed]).toEqual([false, true]);
});

test("closing lets what is under way finish, and takes nothing new", async () => {
  const broker = await new ClientHarness().start();
  const [busy, idle] = [await broker.connect(), await broker.connect()];
  await busy.send(produce(1, "a"));
  const closed = broker.listeners.close(5000);
  await settled();
  expect(idle.link.isClosed).toBe(true);
  await busy.send(produce(2, "b"));
  expect(broker.asked.length).toBe(1);
  await expect(broker.connect()).rejects.toThrow("refused");
  broker.asked[0]?.answer("A");
  await closed;
  expect(await busy.answers()).toEqual(["1:A"]);
  expect(busy.link.isClosed).toBe(true);
  expect(broker.clock.pendingTimers, "nothing is left behind").toBe(0);
});

test("closing waits no longer than it was told to", async () => {
  const broker = await new ClientHarness().start();
  const busy = await broker.connect();
  await busy.send(produce(1, "a"));
  const closed = broker.listeners.close(5000);
  await broker.clock.advance(5000);
  await closed;
  expect(busy.link.isClosed).toBe(true);
});

test("an address in use is an error, and the listeners opened before it are closed", async () => {
  const broker = await new ClientHarness().start();
  const port = broker.bound[0]?.bound.port ?? 0;
  const bind = (taken: number) => ({ name: "X", bind: { host: "127.0.0.1", port: taken }, advertised: { host: "x", port: taken } });
  await expect(broker.listeners.listen([bind(1234), bind(port)])).rejects.toThrow("address in use");
  await expect(broker.transport.connect({ host: "127.0.0.1", port: 1234 }, { onData: () => {}, onClose: () => {} })).rejects.toThrow(
    "refused",
  );
});
