import { expect, test } from "vitest";
import { ListenerProblem, type ListenerSettings, resolveListeners } from "../../../broker/runtime/config/listeners.ts";

function resolve(listeners: string, settings: Partial<Omit<ListenerSettings, "advertisedListeners">> & { advertised?: string } = {}) {
  const { advertised, ...others } = settings;
  return resolveListeners({
    listeners: listeners.split(","),
    advertisedListeners: advertised?.split(",") ?? null,
    securityProtocolMap: ["PLAINTEXT:PLAINTEXT"],
    interBrokerListenerName: null,
    hostname: "machine",
    ...others,
  });
}

test("several listeners, each with its advertised address", () => {
  const { client, peer } = resolve("INSIDE://0.0.0.0:9092,OUTSIDE://:19092,PEER://10.0.0.1:9093", {
    advertised: "INSIDE://broker1:9092,OUTSIDE://localhost:29092",
  });
  expect(client).toEqual([
    { name: "INSIDE", bind: { host: "0.0.0.0", port: 9092 }, advertised: { host: "broker1", port: 9092 } },
    { name: "OUTSIDE", bind: { host: "0.0.0.0", port: 19_092 }, advertised: { host: "localhost", port: 29_092 } },
  ]);
  expect(peer).toEqual({ name: "PEER", bind: { host: "10.0.0.1", port: 9093 }, advertised: { host: "10.0.0.1", port: 9093 } });
});

test("an empty host listens everywhere and advertises the machine's name; IPv6 stands in brackets", () => {
  expect(resolve("A://:1").client[0]).toEqual({ name: "A", bind: { host: "0.0.0.0", port: 1 }, advertised: { host: "machine", port: 1 } });
  expect(resolve("A://[2001:db8::7]:1").client[0]?.bind).toEqual({ host: "2001:db8::7", port: 1 });
  expect(resolve("a://[::1]:0").client[0]).toEqual({ name: "A", bind: { host: "::1", port: 0 }, advertised: { host: "::1", port: 0 } });
});

test("without a listener for brokers there is a free port on the first one's host", () => {
  const { peer } = resolve("A://0.0.0.0:9092,B://127.0.0.1:9093", { advertised: "A://broker1:9092" });
  expect(peer).toEqual({ name: "PEER", bind: { host: "0.0.0.0", port: 0 }, advertised: { host: "broker1", port: 0 } });
});

test("the listener named for brokers is not shown to clients", () => {
  const { client, peer } = resolve("A://h:1,B://h:2", { interBrokerListenerName: "A" });
  expect(client.map(({ name }) => name)).toEqual(["B"]);
  expect(peer.name).toBe("A");
});

const refused: readonly [string, () => unknown, RegExp][] = [
  [
    "a wildcard that nobody could connect to",
    () => resolve("A://0.0.0.0:9092"),
    /listeners: A listens on 0\.0\.0\.0:9092.*advertised\.listeners/,
  ],
  ["the IPv6 wildcard too", () => resolve("A://[::]:9092"), /listens on \[::\]:9092/],
  ["an advertised wildcard", () => resolve("A://:1", { advertised: "A://0.0.0.0:1" }), /cannot be advertised/],
  ["a name given twice", () => resolve("A://h:1,a://h:2"), /A is there twice/],
  ["a port given twice", () => resolve("A://h:1,B://h:1"), /A and B both take port 1/],
  ["a port given twice, once everywhere", () => resolve("A://:1,B://h:1"), /both take port 1/],
  ["no port", () => resolve("A://h"), /must be NAME:\/\/HOST:PORT/],
  ["no name", () => resolve("h:9092"), /must be NAME:\/\/HOST:PORT/],
  ["a port too large", () => resolve("A://h:65536"), /above 65535/],
  ["IPv6 without brackets", () => resolve("A://::1:9092"), /brackets/],
  [
    "an advertised listener that is none",
    () => resolve("A://h:1", { advertised: "B://h:1" }),
    /advertised\.listeners: B is not among the listeners \(A\)/,
  ],
  [
    "a broker listener that is none",
    () => resolve("A://h:1", { interBrokerListenerName: "X" }),
    /inter\.broker\.listener\.name: X is not among/,
  ],
  ["no listener for clients", () => resolve("A://h:1", { interBrokerListenerName: "A" }), /name another listener for clients/],
  ["TLS", () => resolve("SSL://h:1"), /SSL would need SSL; only PLAINTEXT/],
  ["SASL by the map", () => resolve("A://h:1", { securityProtocolMap: ["A:SASL_PLAINTEXT"] }), /A would need SASL_PLAINTEXT/],
  ["a map that is none", () => resolve("A://h:1", { securityProtocolMap: ["A"] }), /must be NAME:PROTOCOL/],
];

for (const [what, run, message] of refused)
  test(`${what} is refused, with the setting's name`, () => {
    expect(run).toThrow(ListenerProblem);
    expect(run).toThrow(message);
  });

test("two free ports, and one port on two addresses, are no conflict", () => {
  expect(resolve("A://h:0,B://h:0,C://10.0.0.1:5,D://10.0.0.2:5").client).toHaveLength(4);
});
