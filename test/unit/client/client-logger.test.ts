import { describe, expect, test } from "vitest";
import { boundedLogger, type ClientLogger } from "../../../client/base/client-logger.ts";
import { Producer } from "../../../client/index.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { ManualClock } from "./manual-clock.ts";

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function listeningLogger() {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields: { ...fields }, message });
  const logger: ClientLogger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { lines, logger };
}

describe("an application's logger", () => {
  test("gets lines that say which client they are from, whether it can be bound to that or not", () => {
    const { lines, logger } = listeningLogger();
    const clock = new ManualClock();
    boundedLogger(logger, { client: "producer-1" }, clock).info({ topic: "t" }, "leader moved");
    expect(lines).toEqual([{ level: "info", fields: { client: "producer-1", topic: "t" }, message: "leader moved" }]);
    const bound: object[] = [];
    const withChild: ClientLogger = {
      ...logger,
      child: (fields) => {
        bound.push(fields);
        return logger;
      },
    };
    boundedLogger(withChild, { client: "producer-1" }, clock).info({ topic: "u" }, "leader moved");
    expect(bound).toEqual([{ client: "producer-1" }]);
    expect(lines[1]?.fields).toEqual({ topic: "u" });
  });

  test("a level that is not enabled hears nothing, as it is at the moment", () => {
    const { lines, logger } = listeningLogger();
    let enabled = "info";
    const log = boundedLogger({ ...logger, isLevelEnabled: (level) => level === enabled }, {}, new ManualClock());
    log.debug({}, "a");
    enabled = "debug";
    log.debug({}, "b");
    expect(lines.map(({ message }) => message)).toEqual(["b"]);
  });

  test("the same failure every second of a day is some dozens of lines, and the later ones say how many were left out", async () => {
    const { lines, logger } = listeningLogger();
    const clock = new ManualClock();
    const log = boundedLogger(logger, {}, clock);
    const times = 24 * 3_600;
    for (let i = 0; i < times; i++) {
      log.warn({ i }, "does not go on");
      await clock.advance(1_000);
    }
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThan(200);
    const told = lines.length + lines.reduce((sum, { fields }) => sum + Number(fields.more ?? 0), 0);
    expect(times - told, "of the last window it is not told yet").toBeLessThanOrEqual(600);
    expect(lines.slice(0, 5).map(({ fields }) => fields.i)).toEqual([0, 1, 2, 3, 4]);
    expect(lines[5]?.fields).toEqual({ i: 10, more: 5 });
    log.warn({}, "something else");
    expect(lines.at(-1)?.message, "others are not held back by it").toBe("something else");
    await clock.advance(3_600_000);
    const before = lines.length;
    for (let i = 0; i < 5; i++) log.warn({ i }, "does not go on");
    expect(lines.length - before, "after a quiet hour all is as at first").toBe(5);
  });

  test("a thousand partitions that fail together are some lines", () => {
    const { lines, logger } = listeningLogger();
    const log = boundedLogger(logger, {}, new ManualClock());
    for (let partition = 0; partition < 1_000; partition++) log.info({ partition }, "leader moved");
    expect(lines).toHaveLength(5);
  });

  test("one that throws does no harm", () => {
    const throwing = () => {
      throw new Error("theirs");
    };
    const log = boundedLogger({ debug: throwing, info: throwing, warn: throwing, error: throwing }, {}, new ManualClock());
    expect(() => log.error({}, "x")).not.toThrow();
  });

  test("hears from a client what lasts, and that it goes on; and from one without troubles nothing above debug", async () => {
    const cluster = new FakeCluster();
    cluster.topic("t", [1]);
    const { lines, logger } = listeningLogger();
    const producer = new Producer({ bootstrap: cluster.bootstrap, runtime: cluster.runtime, logger });
    await cluster.clock.until(producer.send({ topic: "t", value: "a" }));
    const worthReading = () => lines.filter(({ level }) => level !== "debug");
    expect(worthReading().map(({ message }) => message)).toEqual(["the cluster's brokers have changed"]);
    cluster.moveLeader("t", 0, -1);
    const sent = producer.send({ topic: "t", value: "b" });
    await cluster.clock.advance(30_000);
    cluster.moveLeader("t", 0, 2);
    await cluster.clock.until(sent);
    const read = worthReading().slice(1);
    expect(read.map(({ message }) => message)).toEqual(["leader moved", ...Array(6).fill("does not go on"), "leader moved", "goes on"]);
    expect(read[1]).toMatchObject({ level: "warn", fields: { client: producer.id, what: "t-0", reason: "t-0 has no leader" } });
    expect(read.at(-1)?.fields.waitedMs).toBeGreaterThan(25_000);
    await cluster.clock.until(producer.close());
  });
});
