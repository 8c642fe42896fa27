import { expect, test } from "vitest";
import { emptyImage } from "../../../broker/cluster/cluster-image.ts";
import { type Collector, Monitor } from "../../../broker/metrics/monitor.ts";
import { collectPartitions } from "../../../broker/metrics/partition-samples.ts";
import type { ReadinessSources } from "../../../broker/metrics/readiness.ts";
import type { Partition } from "../../../broker/partition/partition.ts";
import type { HttpAnswer } from "../../../broker/runtime/monitoring-host.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { parseScrape, seriesSum } from "../../support/metrics-text.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const stopping: ReadinessSources = {
  brokerId: 1,
  image: () => emptyImage("c"),
  brokerEpoch: () => 5,
  isStopping: () => true,
  leads: () => true,
};

const textOf = ({ body }: HttpAnswer) => body.toString();
const get = (path: string, accept = "") => ({ path, accept });

/** A monitor whose only collector is counted, and ends when the test says so. */
function watched() {
  const clock = new ManualClock();
  const ends: (() => void)[] = [];
  const collect: Collector = (into) => {
    into.add("ottla_isr_shrinks_total", ends.length + 1);
    return new Promise((resolve) => ends.push(resolve));
  };
  const monitor = new Monitor({ clock, log: silentLogger, collectors: [collect] });
  return { clock, monitor, ends };
}

test("one scrape at a time: those who ask meanwhile get the same, in whichever format, and so does whoever asks within a second", async () => {
  const { clock, monitor, ends } = watched();
  const answers = [
    monitor.answer(get("/metrics")),
    monitor.answer(get("/metrics", "application/openmetrics-text")),
    monitor.answer(get("/metrics")),
  ];
  await settled();
  expect(ends).toHaveLength(1);
  ends[0]?.();
  const [first, second, third] = await Promise.all(answers);
  expect([first?.contentType, second?.contentType]).toEqual([
    "text/plain; version=0.0.4; charset=utf-8",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  ]);
  expect(third?.body).toBe(first?.body);
  await clock.advance(900);
  expect(textOf(await monitor.answer(get("/metrics")))).toBe(textOf(first as HttpAnswer));
  await clock.advance(101);
  void monitor.answer(get("/metrics"));
  await settled();
  expect(ends).toHaveLength(2);
});

test("before it is composed a broker is alive and not ready", async () => {
  const monitor = new Monitor({ clock: nodeClock, log: silentLogger, collectors: [] });
  expect(await monitor.answer(get("/healthz"))).toMatchObject({ status: 200 });
  const ready = await monitor.answer(get("/readyz"));
  expect([ready.status, JSON.parse(textOf(ready))]).toEqual([503, { ready: false, missing: [expect.objectContaining({ what: "start" })] }]);
  const scrape = parseScrape(textOf(await monitor.answer(get("/metrics"))), "prometheus");
  expect(seriesSum(scrape, "ottla_ready")).toBe(0);
  monitor.composed({ readiness: stopping, collectors: [] });
  expect(JSON.parse(textOf(await monitor.answer(get("/readyz"))))).toMatchObject({ missing: [{ what: "stopping" }] });
});

test.each(["/", "/metrics/", "/METRICS", "/../metrics", "/debug/pprof", "*", "http://other/metrics"])("%s is not served", async (path) => {
  const monitor = new Monitor({ clock: nodeClock, log: silentLogger, collectors: [] });
  const answer = await monitor.answer(get(path));
  expect(answer.status).toBe(404);
  expect(textOf(answer)).toBe("/metrics, /healthz and /readyz are served here\n");
});

test("what cannot be found out costs the answer, a bug is not kept quiet", async () => {
  const failing = (error: Error) => {
    const fail: Collector = () => Promise.reject(error);
    return new Monitor({ clock: nodeClock, log: silentLogger, collectors: [fail] }).answer(get("/metrics"));
  };
  expect(await failing(new Error("no such file"))).toMatchObject({ status: 503 });
  await expect(failing(new InvariantViolation("a bug"))).rejects.toThrow("a bug");
});

test("a scrape of 10,000 partitions gives way to others all the time", async () => {
  const replica = { log: { sizeInBytes: 1 }, settings: {}, role: "following", leader: () => "NOT_LEADER_OR_FOLLOWER", highWatermark: 0 };
  const partitions = Array.from({ length: 10_000 }, (_, partition) => ({
    ...replica,
    identity: { topic: `t${partition % 3_000}`, partition },
  }));
  const sources = { partitions: () => partitions as unknown as Partition[], offlineReplicas: () => 0, tellsPartitions: () => true };
  const monitor = new Monitor({
    clock: nodeClock,
    log: silentLogger,
    collectors: [(into, pace) => collectPartitions(sources, into, pace)],
  });
  let longestMs = 0;
  let turns = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    turns++;
  }, 1);
  const scrape = parseScrape(textOf(await monitor.answer(get("/metrics"))), "prometheus");
  clearInterval(timer);
  expect(seriesSum(scrape, "ottla_partitions")).toBe(10_000);
  expect(scrape.samples.filter(({ name }) => name === "ottla_partition_log_bytes")).toHaveLength(10_000);
  expect(turns, `longest turn ${Math.round(longestMs)} ms`).toBeGreaterThan(20);
});
