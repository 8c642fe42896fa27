import { describe, expect, test } from "vitest";
import type { IsrStore } from "../../../broker/partition/cluster-contract.ts";
import { RoleCheck } from "../../../broker/partition/role-check.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { fieldAt } from "../../../protocol/records/batch-header.ts";
import { MemoryLogStore, producedBatch, testSettings } from "../../support/memory-log.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { record, ref, setUp, topicId } from "./partition-fixture.ts";

/** A log whose last batch seems to have been written under a leader epoch that nobody had. */
async function changedEpoch(): Promise<MemoryLogStore> {
  const store = new MemoryLogStore();
  const { assign, log } = await setUp({}, {}, store);
  await assign({ leader: 2, leaderEpoch: 6 });
  const batch = producedBatch();
  batch.writeInt32BE(2 ** 30, fieldAt.partitionLeaderEpoch);
  expect(log.appendAsFollower(batch)).toBe(true);
  return store;
}

describe("every assigned replica has a role, or a reason that is reported", () => {
  test("also when a changed epoch of its last batch is found at the next start", async () => {
    const store = await changedEpoch();
    const leader = await setUp({}, { leaderEpoch: 7 }, store);
    expect([leader.table.find(ref)?.role, leader.health]).toStrictEqual(["unfit", ["offline"]]);
    expect(leader.reasons[0] ?? "").toMatch(/last record has leader epoch 1073741824, which no leader has had/);
    const leaderless = await setUp({}, { leader: -1, leaderEpoch: 7 }, store);
    expect([leaderless.table.find(ref)?.role, leaderless.health], "it is not to be elected").toStrictEqual(["none", ["offline"]]);
    const follower = await setUp({}, { leader: 2, leaderEpoch: 7 }, store);
    expect([follower.table.find(ref)?.role, follower.health], "its leader tells what it must cut").toStrictEqual(["following", []]);
  });

  test("named leader with a set that it is not in, until another state comes", async () => {
    const { table, health, reasons, assign } = await setUp({}, { isr: [2] });
    expect([table.find(ref)?.role, health]).toStrictEqual(["none", ["offline"]]);
    expect(reasons[0] ?? "").toMatch(/names it leader, with an in-sync set that it is not in/);
    await assign({ leaderEpoch: 6, isr: [1] });
    expect([table.find(ref)?.role, health]).toStrictEqual(["leading", ["offline", "usable"]]);
  });

  test("a log that cannot be opened, whatever the reason, keeps no other from being served", async () => {
    const store = new MemoryLogStore();
    const open = store.open.bind(store);
    store.open = async () => {
      throw new TypeError("what nobody thought of");
    };
    const { table, health, reasons, assign } = await setUp({}, {}, store);
    expect([table.find(ref), health, reasons]).toStrictEqual([null, ["offline"], ["what nobody thought of"]]);
    store.open = open;
    await assign({ leaderEpoch: 6 });
    expect([table.find(ref)?.role, health]).toStrictEqual(["leading", ["offline", "usable"]]);
  });

  test("a leader that was fenced and hears nothing more says so after a while", async () => {
    const fenced: IsrStore = { writeIsr: async () => ({ kind: "fenced" }) };
    const { table, health, reasons, assign, clock, append } = await setUp({}, { isr: [1, 2] }, new MemoryLogStore(), fenced);
    table.start();
    await append();
    // the follower never fetches: it is to leave the set, and the coordinator says that we do not lead
    await clock.advance(32_000);
    await settled();
    expect(table.find(ref)?.role).toBe("none");
    await clock.advance(12_000);
    expect(health).toStrictEqual(["offline"]);
    expect(reasons[0] ?? "").toMatch(/was assigned, with leader 1 in epoch 5, and has taken up no role/);
    await assign({ leader: 2, leaderEpoch: 6 });
    expect([table.find(ref)?.role, health]).toStrictEqual(["following", ["offline", "usable"]]);
    await table.close();
  });

  test("also one that had led for long has that while to hear who leads", async () => {
    const clock = new ManualClock();
    let isLeading = true;
    const said: string[] = [];
    const giveUp = (_: unknown, reason: string) => void said.push(reason);
    const check = new RoleCheck({ clock, logger: silentLogger, isAccountedFor: () => isLeading, giveUp });
    check.assigned({ topic: "t", topicId, state: record, settings: testSettings });
    for (let i = 0; i < 60; i++) {
      await clock.advance(1000);
      check.look();
    }
    isLeading = false; // fenced
    for (let i = 0; i < 9; i++) {
      check.look();
      await clock.advance(1000);
    }
    expect(said).toStrictEqual([]);
    await clock.advance(1000);
    check.look();
    expect(said.length).toBe(1);
  });

  test("no reason is needed where nobody leads, nor once the roles are given up or the replica is gone", async () => {
    const { table, health, clock, assign } = await setUp({}, { leader: -1 });
    table.start();
    await clock.advance(20_000);
    await assign({ leaderEpoch: 6, leader: 2 });
    table.standDown();
    await clock.advance(20_000);
    await assign({ leaderEpoch: 6, leader: 2 });
    expect(table.find(ref)?.role).toBe("following");
    await table.withdraw([{ ref, topicId, isDeleted: true }]);
    await clock.advance(20_000);
    expect(!health.includes("offline"), `${health}`).toBeTruthy();
    await table.close();
  });

  test("a state older than what this life has heard, after a new session", async () => {
    const { table, health, reasons, clock, assign } = await setUp();
    table.start();
    table.standDown();
    await assign({ leaderEpoch: record.leaderEpoch - 1, leader: 2 });
    await clock.advance(12_000);
    expect([table.find(ref)?.role, health, reasons.length]).toStrictEqual(["none", ["offline"], 1]);
    await table.close();
  });
});
