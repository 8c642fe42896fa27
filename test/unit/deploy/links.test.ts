import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Link {
  readonly name: string;
  readonly listen: string;
  readonly upstream: string;
}
type LinksBetween = (words: readonly string[], names: readonly string[]) => string[];

const folder = new URL("../../../deploy/", import.meta.url);
const { linksBetween } = (await import(new URL("links/ends.mjs", folder).href)) as { readonly linksBetween: LinksBetween };
const links = JSON.parse(readFileSync(new URL("links/links.json", folder), "utf8")) as readonly Link[];
const names = links.map(({ name }) => name);
const compose = readFileSync(new URL("docker-compose.chaos.yml", folder), "utf8");

test("two ends: the links between them, whichever opens the connections", () => {
  expect(linksBetween(["broker2", "broker1"], names)).toEqual(["broker1-to-broker2", "broker2-to-broker1"]);
  expect(linksBetween(["broker2", "brokers"], names)).toEqual([
    "broker1-to-broker2",
    "broker2-to-broker1",
    "broker2-to-broker3",
    "broker3-to-broker2",
  ]);
  expect(linksBetween(["zookeepers", "broker3"], names)).toHaveLength(3);
  expect(linksBetween(["clients", "brokers"], names)).toHaveLength(3);
});

test("one end: all its links; none: all there are", () => {
  expect(linksBetween(["broker1"], names)).toHaveLength(8);
  expect(linksBetween(["zookeeper2"], names)).toHaveLength(3);
  expect(linksBetween([], names)).toEqual(names);
});

test("what is no end is refused", () => {
  expect(() => linksBetween(["broker"], names)).toThrow(/^broker: not broker1/);
  expect(() => linksBetween(["broker1", "broker2", "broker3"], names)).toThrow("a link has two ends");
  expect(() => linksBetween(["clients", "zookeepers"], names)).toThrow("there is no link between clients and zookeepers");
});

test("every broker has a link to each of its peers, to each ZooKeeper, and from clients", () => {
  const brokers = ["broker1", "broker2", "broker3"];
  const destinations = [...brokers, "zookeeper1", "zookeeper2", "zookeeper3"];
  const wanted = brokers.flatMap((from) => destinations.filter((to) => to !== from).map((to) => `${from}-to-${to}`));
  expect(names.toSorted()).toEqual([...wanted, ...brokers.map((to) => `clients-to-${to}`)].sort());
});

test("a link listens where its one end looks for the other, and leads to where that listens", () => {
  for (const { name, listen, upstream } of links) {
    const [from = "", to = ""] = name.split("-to-");
    const [number, port] = [to.at(-1), upstream.split(":")[1]];
    expect(upstream.split(":")[0]).toBe(to);
    if (to.startsWith("zookeeper")) expect(listen).toBe(`links-of-${from}:218${number}`);
    else if (from === "clients") expect(listen).toBe(`0.0.0.0:${port}`);
    else expect(listen).toBe(`links-of-${from}:${port}`);
    if (to.startsWith("broker"))
      expect(compose).toMatch(new RegExp(`LISTENERS: .*${from === "clients" ? "CLIENTS" : "PEER"}://0.0.0.0:${port}`));
    if (from.startsWith("broker") && to.startsWith("broker")) expect(compose).toContain(`PEER://peer${number}:${port}\n`);
  }
});
