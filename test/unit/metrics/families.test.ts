import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type FamilyRow, families } from "../../../broker/metrics/families.ts";
import { metricsPage } from "../../../broker/metrics/metrics-page.ts";

const rows = Object.entries<FamilyRow>(families);

test("names follow the conventions of Prometheus", () => {
  const bad: string[] = [];
  for (const [name, { kind, labels, help }] of rows) {
    if (!/^(ottla|process|nodejs)(_[a-z]+)+$/.test(name)) bad.push(`${name}: not words in lower case, or another beginning`);
    if ((kind === "counter") !== name.endsWith("_total")) bad.push(`${name}: a counter, and only a counter, ends in _total`);
    if (kind === "histogram" && !name.endsWith("_seconds")) bad.push(`${name}: its unit is missing`);
    if (/_(ms|millis|milliseconds|kb|mb|percent|minutes|count|sum|bucket)(_|$)/.test(name))
      bad.push(`${name}: not a base unit, or a word that is taken`);
    if (labels.some((label) => !/^[a-z]+(_[a-z]+)*$/.test(label) || ["le", "quantile", "job", "instance"].includes(label)))
      bad.push(`${name}: a label that is taken, or not words`);
    if (!/^[A-Z1].*[.:].*$/.test(`${help}.`) || !help.endsWith(".")) bad.push(`${name}: its help is no sentence`);
  }
  expect(bad).toEqual([]);
});

test("what a client calls itself is no label", () => {
  const labels = new Set(rows.flatMap(([, row]) => [...row.labels]));
  expect([...labels].toSorted()).toEqual([
    "api",
    "broker_id",
    "cluster_id",
    "directory",
    "group",
    "operation",
    "partition",
    "side",
    "state",
    "topic",
    "user",
  ]);
});

test("the page about metrics is what the families say (node docs/generate-metrics.ts)", () => {
  expect(readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8")).toBe(metricsPage());
});
