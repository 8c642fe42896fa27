import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { clientEventNames } from "../../../client/base/client-event-map.ts";
import { type MetricDescription, metricDescriptions } from "../../../client/base/client-metrics.ts";
import * as client from "../../../client/index.ts";

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

const apiPage = readFileSync(fileURLToPath(new URL("../../../docs/client-api.md", import.meta.url)), "utf8");

test.each([client.Producer, client.Consumer, client.Admin])("the page about the client's API has every call of $name", ({ prototype }) => {
  const calls = Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
  expect(calls.filter((name) => !new RegExp(`\\b${name}\\b`).test(apiPage))).toEqual([]);
});

test("the page about the client's API has every class of errors", () => {
  const classes = Object.entries(client).filter(([, one]) => typeof one === "function" && one.prototype instanceof Error);
  expect(classes.length).toBeGreaterThan(15);
  expect(classes.map(([name]) => name).filter((name) => !apiPage.includes(`\`${name}\``))).toEqual([]);
});
