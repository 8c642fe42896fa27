import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChaosStage } from "../../chaos/conduct/chaos-stage.ts";
import type { Event } from "../../chaos/history/events.ts";
import type { BrokerNode } from "../../chaos/stage/broker-node.ts";
import { KeptProcess } from "../../chaos/stage/kept-process.ts";
import { ProcessWatch } from "../../chaos/watch/process-watch.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

const graceMs = 300;
let folder: string;

beforeAll(async () => {
  folder = await makeTestFolder("processes");
});

afterAll(() => removeTestFolder(folder));

describe("a process that is told to stop", () => {
  /** Resolves when it has come to where it waits. */
  async function waiting(script: string): Promise<KeptProcess> {
    const ready = Promise.withResolvers<unknown>();
    const wait = `process.send(1); setInterval(() => {}, 1_000)`;
    const kept = new KeptProcess(process.execPath, ["-e", `${script}; ${wait}`], {
      logFile: join(folder, "log"),
      prefix: [],
      onMessage: ready.resolve,
    });
    await ready.promise;
    return kept;
  }

  test("ends with a code of its own", async () => {
    const kept = await waiting(`process.on("SIGTERM", () => process.exit(7))`);
    await kept.stop(20_000);
    expect(kept.end).toEqual({ code: 7, signal: null, wasForced: false });
  });

  test("does not, and is killed", async () => {
    const kept = await waiting(`process.on("SIGTERM", () => {})`);
    await kept.stop(graceMs);
    expect(kept.end).toEqual({ code: null, signal: "SIGKILL", wasForced: true });
  });
});

test("a fault explains the ends that it may cause, as long as it lasts", () => {
  const stage = new ChaosStage({ cluster: null, leaders: null, equipment: null, sessionTimeoutMs: 0, topic: "orders" } as never);
  const broker = (id: number) => ({ id }) as BrokerNode;
  const [byItself, byForce] = [{ wasForced: false }, { wasForced: true }];
  stage.allowEnd(broker(1));
  stage.allowLateStop(broker(2));
  expect([1, 2, 3].map((id) => [stage.allows(id, byItself), stage.allows(id, byForce)])).toEqual([
    [true, true],
    [false, true],
    [false, false],
  ]);
  stage.allowNoEnds();
  expect([1, 2].map((id) => stage.allows(id, byForce))).toEqual([false, false]);
});

test("what a broker says last is looked at, also when it did not come to the end of the line", async () => {
  const logFile = join(folder, "broker.log");
  await writeFile(logFile, "stopping\n");
  const told: Event[] = [];
  const history = { add: (event: object) => void told.push(event as Event) };
  const watch = new ProcessWatch({ brokers: [{ id: 1, name: "broker-1", pid: null, logFile }] }, history);
  watch.start();
  await appendFile(logFile, "stopped\nInvariantViolation: something");
  await watch.stop();
  const samples = told.filter((event) => event.kind === "sample");
  const sum = (values: readonly number[]) => values.reduce((before, value) => before + value, 0);
  expect(sum(samples.map(({ logLines }) => logLines))).toBe(3);
  expect(sum(samples.map(({ alarms }) => alarms))).toBe(1);
});
