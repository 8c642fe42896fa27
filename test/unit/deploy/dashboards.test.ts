import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { families } from "../../../broker/metrics/families.ts";
import {
  deployed,
  panelQueries,
  readDashboard,
  readRules,
  readScrapes,
  selectorsIn,
  variableQueries,
} from "../../support/prometheus/deployed.ts";

const rules = readRules().groups.flatMap(({ rules }) => rules);
const seriesOf = Object.entries(families).flatMap(([name, { kind }]) =>
  kind === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => `${name}${end}`) : [name],
);

test("queries are about metrics that there are", () => {
  const queries = [...rules, ...panelQueries()].map(({ expr }) => expr);
  const named = [...queries.flatMap(selectorsIn), ...variableQueries().map(({ metric }) => metric)];
  const strangers = named.map((selector) => selector.replace(/\{.*/, "")).filter((name) => name !== "up" && !seriesOf.includes(name));
  expect(strangers).toEqual([]);
});

test("every alert has a test of promtool's, says how urgent it is and what to do", () => {
  const tests = readFileSync(deployed("alerts.test.yml"), "utf8");
  for (const { alert, labels, annotations } of rules) {
    expect(tests, alert).toContain(alert);
    expect(["critical", "warning"]).toContain(labels.severity);
    expect(Object.keys(annotations)).toEqual(["summary", "description"]);
  }
});

test("panels have numbers of their own", () => {
  const ids = readDashboard().panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("Prometheus asks the brokers of docker-compose.yml", () => {
  const compose = parse(readFileSync(deployed("../../docker-compose.yml"), "utf8"), { merge: true }) as {
    readonly services: Readonly<
      Record<string, { readonly profiles?: readonly string[]; readonly environment?: Readonly<Record<string, string>> }>
    >;
  };
  const brokers = Object.entries(compose.services).filter(([name, { profiles }]) => /^broker\d/.test(name) && profiles === undefined);
  const listening = brokers.map(([name, { environment }]) => environment?.OTTLA_METRICS_LISTENER?.replace("http://0.0.0.0", name));
  const { scrape_configs } = readScrapes();
  expect(scrape_configs.flatMap(({ static_configs }) => static_configs.flatMap(({ targets }) => targets)).slice(0, 3)).toEqual(listening);
  expect(
    scrape_configs.map(({ job_name }) => job_name),
    "the name that the alerts and the dashboard look for",
  ).toEqual(["ottla"]);
});
