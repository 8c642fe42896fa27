import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { clientEventNames } from "../../../client/base/client-event-map.ts";
import { type MetricDescription, metricDescriptions } from "../../../client/base/client-metrics.ts";

const page = readFileSync(fileURLToPath(new URL("../../../docs/clients.md", import.meta.url)), "utf8");
const rows = page.split("\n").filter((line) => line.startsWith("| `"));

test("the page about clients has a row for each event", () => {
  for (const event of clientEventNames)
    expect(
      rows.filter((row) => row.startsWith(`| \`${event}\` |`)),
      event,
    ).toHaveLength(1);
});

test("the page about clients has a row for each number that is counted, with its name, unit and kind", () => {
  const { producer, consumer, admin } = metricDescriptions;
  const rowOf = ([key, { name, kind, unit, description }]: readonly [string, MetricDescription]) =>
    `| \`${key}\` | \`${name}\` | ${kind} | \`${unit}\` | ${description} |`;
  const own = (all: Readonly<Record<string, MetricDescription>>) => Object.entries(all).filter(([key]) => !(key in admin));
  const wanted = [...Object.entries(admin), ...own(producer), ...own(consumer)].map(rowOf);
  expect(rows.filter((row) => / (counter|gauge) \| /.test(row))).toEqual(wanted);
});
