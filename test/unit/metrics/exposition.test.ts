import { expect, test } from "vitest";
import { BucketTally } from "../../../broker/metrics/bucket-tally.ts";
import { Exposition, type Format, formatFor } from "../../../broker/metrics/exposition.ts";
import { Pace } from "../../../broker/metrics/pace.ts";
import { Samples } from "../../../broker/metrics/samples.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { parseScrape, seriesSum } from "../../support/metrics-text.ts";

async function written(samples: Samples, format: Format): Promise<string> {
  return Buffer.concat(await new Exposition(format).write(samples, new Pace(nodeClock))).toString();
}

function sampled(): Samples {
  const samples = new Samples();
  const durations = new BucketTally([0.001, 1]);
  for (const ms of [0.5, 1, 20, 3000]) durations.add(ms);
  samples.add("ottla_isr_shrinks_total", 3);
  samples.histogram("ottla_request_duration_seconds", durations, { api: "Produce" });
  samples.add("ottla_topic_log_bytes", 12, { topic: 'a"b\\c\nd' });
  return samples;
}

test.each(["prometheus", "openmetrics"] as const)("%s: names, types, labels and buckets are as the format wants them", async (format) => {
  const scrape = parseScrape(await written(sampled(), format), format);
  expect(Object.fromEntries(scrape.types)).toEqual({
    [format === "openmetrics" ? "ottla_isr_shrinks" : "ottla_isr_shrinks_total"]: "counter",
    ottla_topic_log_bytes: "gauge",
    ottla_request_duration_seconds: "histogram",
  });
  expect(seriesSum(scrape, "ottla_isr_shrinks_total")).toBe(3);
  expect(seriesSum(scrape, "ottla_topic_log_bytes", { topic: 'a"b\\c\nd' })).toBe(12);
  const buckets = scrape.samples.filter(({ name }) => name === "ottla_request_duration_seconds_bucket");
  expect(buckets.map(({ labels, value }) => [labels.le, labels.api, value])).toEqual([
    ["0.001", "Produce", 2],
    ["1.0", "Produce", 3],
    ["+Inf", "Produce", 4],
  ]);
  expect(seriesSum(scrape, "ottla_request_duration_seconds_sum")).toBeCloseTo(3.0215);
  expect(seriesSum(scrape, "ottla_request_duration_seconds_count")).toBe(4);
});

test("a family of many series is written in pieces, and has its lines HELP and TYPE once", async () => {
  const samples = new Samples();
  for (let i = 0; i < 1_001; i++) samples.add("ottla_topic_partitions", i, { topic: `t${i}` });
  const text = await written(samples, "prometheus");
  expect(text.match(/^# TYPE/gm)).toHaveLength(1);
  const scrape = parseScrape(text, "prometheus");
  expect(scrape.samples).toHaveLength(1_001);
  expect(seriesSum(scrape, "ottla_topic_partitions", { topic: "t1000" })).toBe(1_000);
});

test("what is too much, or has too long a name, is left out and counted", () => {
  const samples = new Samples({ samplesMax: 2, bytesMax: 1_000 });
  samples.add("ottla_groups", 1, { state: "x".repeat(256) });
  samples.add("ottla_groups", 1, { state: "a" });
  samples.add("ottla_groups", 1, { state: "b" });
  samples.add("ottla_groups", 1, { state: "c" });
  expect(samples.of("ottla_groups").map(({ labels }) => labels.state)).toEqual(["a", "b"]);
  expect(samples.dropped).toBe(2);
  const few = new Samples({ samplesMax: 100, bytesMax: 1_000 });
  for (const state of ["a", "b", "c", "d", "e"]) few.add("ottla_groups", 1, { state: state.repeat(255) });
  expect([few.of("ottla_groups").length, few.dropped]).toEqual([3, 2]);
});

test("what is not known is not told", () => {
  const samples = new Samples();
  samples.add("process_open_fds", null);
  expect(samples.of("process_open_fds")).toEqual([]);
});

test("whoever names OpenMetrics 1.0 gets it, everyone else the text format of Prometheus", () => {
  const prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;q=0.3";
  expect(formatFor(prometheus)).toBe("openmetrics");
  expect(formatFor("Application/OpenMetrics-Text")).toBe("openmetrics");
  expect(formatFor("application/openmetrics-text;version=0.0.1,text/plain")).toBe("prometheus");
  expect([formatFor(""), formatFor("*/*"), formatFor("text/plain")]).toEqual(["prometheus", "prometheus", "prometheus"]);
});
