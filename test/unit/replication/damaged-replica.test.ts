import { afterEach, describe, expect, test } from "vitest";
import { DamagedBatch, type LogDamage } from "../../../broker/log/log-contract.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { MiniCluster, ref } from "./mini-cluster.ts";

let cluster: MiniCluster;
afterEach(() => cluster.stop());

const all = { acks: -1, timeoutMs: 20_000 } as const;
const damage: LogDamage = {
  kind: "batch",
  path: "/data/orders-0/00000000000000000000.log",
  position: 70,
  offset: 2,
  reason: "CRC-32C does not match the batch",
};
const anything = { fetchOffset: 2, currentLeaderEpoch: -1, lastFetchedEpoch: -1, maxBytes: 1e6, minOneBatch: true };

async function start(): Promise<void> {
  cluster = new MiniCluster();
  await cluster.start();
  for (const fill of ["a", "b", "c"]) expect(await produce(1, fill)).toBeNull();
}

async function produce(id: number, fill: string): Promise<string | null> {
  let answer: string | null | undefined;
  void cluster
    .node(id)
    .service.append(ref, producedBatch(2, fill), all)
    .then(({ error }) => {
      answer = error;
    });
  await cluster.until(() => answer !== undefined, `an answer to ${fill}`);
  return answer ?? null;
}

const isr = () => [...cluster.znode.current.isr].sort();
const heard = (id: number) => cluster.reported.filter((line) => line.startsWith(`${id}:`)).map((line) => line.slice(5));

async function assertIdenticalLogs(): Promise<void> {
  const contents = await Promise.all([1, 2, 3].map((id) => cluster.content(id)));
  expect(contents[1]).toStrictEqual(contents[0]);
  expect(contents[2]).toStrictEqual(contents[0]);
}

describe("a damaged follower", () => {
  test("leaves the in-sync set, is copied again from the leader, joins again, and reports both", async () => {
    await start();
    cluster.node(2).log().becomeDamaged(damage);
    expect(heard(2)).toStrictEqual(["offline"]);
    await cluster.until(() => !isr().includes(2), "out of the set");
    expect(cluster.node(2).log().endOffset, "nothing is given up while it may be elected").toBe(6);
    await cluster.until(() => cluster.node(2).log().damage === null, "started over");
    await cluster.until(() => isr().length === 3, "in sync again");
    expect(heard(2)).toStrictEqual(["offline", "usable"]);
    expect(await produce(1, "d")).toBeNull();
    await assertIdenticalLogs();
  });

  test("is not emptied while a write may still take it into the set: (1) being taken in, (2) damaged, (3) the write is carried out, (4) the leader dies", async () => {
    await start();
    cluster.cut.add("2>1");
    expect(await produce(1, "d")).toBeNull();
    expect(!isr().includes(2)).toBeTruthy();
    const letGo = cluster.znode.holdWrites();
    const writes = cluster.znode.writes.length;
    cluster.cut.clear();
    await cluster.until(() => cluster.znode.writes.length > writes, "about to be taken in");
    cluster.node(2).log().becomeDamaged(damage);
    await cluster.pass(1000);
    expect(cluster.node(2).log().endOffset, "not emptied: the coordinator may have it in the set already").toBe(8);
    letGo();
    await cluster.until(() => cluster.node(2).log().damage === null, "started over");
    const emptied = cluster.znode.writes.at(-1)!.isr;
    expect(!emptied.includes(2), "it was out of the set before").toBeTruthy();
    await cluster.until(() => isr().length === 3, "in sync again");
    await assertIdenticalLogs();
  });

  test("when the leader dies before it is out of the set: whole it stays, and leads only alone", async () => {
    await start();
    cluster.cut.add("2>1");
    cluster.node(2).log().becomeDamaged(damage);
    cluster.kill(1);
    cluster.kill(3);
    // as the controller must not: it was told
    cluster.elect(2, [1, 2, 3]);
    await cluster.assign([2]);
    expect(cluster.node(2).table.find(ref)?.role).toBe("damaged");
    expect((await cluster.node(2).service.append(ref, producedBatch(1), all)).error).toBe("NOT_LEADER_OR_FOLLOWER");
    await cluster.pass(5000);
    expect(cluster.node(2).log().endOffset).toBe(6);
    cluster.elect(2, [2], { leaderRecovering: true });
    await cluster.assign([2]);
    expect(cluster.node(2).table.find(ref)?.role).toBe("leading");
    expect(heard(2)).toStrictEqual(["offline", "usable"]);
  });

  test("whose end is gone never leads after it had company, even alone in the set", async () => {
    await start();
    cluster
      .node(2)
      .log()
      .becomeDamaged({ ...damage, kind: "end-lost" });
    cluster.kill(1);
    cluster.elect(2, [2]);
    await cluster.assign([2]);
    expect(cluster.node(2).table.find(ref)?.role).toBe("damaged");
    expect(heard(2)).toStrictEqual(["offline"]);
  });
});

describe("a damaged leader", () => {
  test("with others in sync reports it, lets clients try again, and is copied again from the next leader", async () => {
    await start();
    const log = cluster.node(1).log();
    const read = log.read.bind(log);
    log.read = async (from, options) => {
      if (from === 2) throw new DamagedBatch(damage);
      return read(from, options);
    };
    expect((await cluster.node(1).service.read(ref, anything)).error).toBe("KAFKA_STORAGE_ERROR");
    log.becomeDamaged(damage);
    expect(heard(1)).toStrictEqual(["offline"]);
    expect(await produce(1, "d"), "it leads on until another does").toBeNull();
    cluster.elect(2, [2, 3]);
    await cluster.assign();
    await cluster.until(() => log.damage === null, "started over");
    Reflect.deleteProperty(log, "read");
    await cluster.until(() => isr().length === 3, "in sync again");
    expect(heard(1)).toStrictEqual(["offline", "usable"]);
    expect(await produce(2, "e")).toBeNull();
    await assertIdenticalLogs();
  });

  test("alone in the set leads on, and says CORRUPT_MESSAGE, which clients do not repeat for ever; it gives up when another has come into the set", async () => {
    await start();
    cluster.kill(2);
    cluster.kill(3);
    await cluster.until(() => isr().length === 1, "alone");
    const log = cluster.node(1).log();
    const read = log.read.bind(log);
    log.read = async (from, options) => {
      if (from === 2) throw new DamagedBatch(damage);
      return read(from, options);
    };
    log.becomeDamaged(damage);
    const refused = await cluster.node(1).service.read(ref, anything);
    expect(refused.error).toBe("CORRUPT_MESSAGE");
    expect("message" in refused && String(refused.message).includes("at 70 (offset 2)"), "where it is").toBeTruthy();
    expect((await cluster.node(1).service.read(ref, { ...anything, fetchOffset: 4 })).error).toBeNull();
    expect(!heard(1).includes("offline")).toBeTruthy();
    Reflect.deleteProperty(log, "read"); // another got over it
    await cluster.boot(3);
    await cluster.assign([3]);
    await cluster.until(() => isr().length === 2, "company");
    await cluster.until(() => heard(1).includes("offline"), "reported");
  });
});
