import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const compose = readFileSync(new URL("../../../docker-compose.yml", import.meta.url), "utf8");

/** Of a service, without its comment: from its name to what is indented less. */
function service(name: string): string {
  const [, body] = new RegExp(`^  ${name}:\\n((?:    .*\\n)+)`, "m").exec(compose) ?? [];
  if (body === undefined) throw new Error(`there is no service ${name}`);
  return body;
}

test("the fourth broker is as the third, but for its number, its ports, and that it is started on demand", () => {
  const third = service("broker3").replaceAll("broker3", "broker4").replaceAll("39092", "49092").replaceAll("OTTLA_PORT_3", "OTTLA_PORT_4");
  expect(service("broker4")).toBe(
    third.replace('OTTLA_BROKER_ID: "3"', 'OTTLA_BROKER_ID: "4"').replace("    hostname", "    profiles: [scale]\n    hostname"),
  );
  expect(compose).toMatch(/^volumes:\n(?: {2}\S+:\n)* {2}broker4-data:\n/m);
});
