import { expect, test } from "vitest";
import { forPeople } from "../../../cli/session/client-session.ts";
import type { ClientRuntime } from "../../../client/base/client-runtime.ts";
import { ConnectionLost } from "../../../client/base/errors.ts";
import { unreachable } from "../../../client/network/unreachable.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { Transport } from "../../../protocol/base/transport.ts";
import { consumerFor, fill } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";

const failure = (code: string) => new ConnectionLost("cannot connect", { cause: Object.assign(new Error(code), { code }) });
const address = { host: "inside", port: 9092 };
const reached = [{ host: "outside", port: 1 }];

test.each([
  [failure("ENOTFOUND"), null, "inside:9092 does not resolve"],
  [failure("ECONNREFUSED"), null, "inside:9092 refuses connections"],
  [failure("ETIMEDOUT"), null, "inside:9092 does not answer"],
  [failure("EWHATEVER"), null, "cannot connect"],
  [
    failure("ENOTFOUND"),
    { broker: 2, isItself: false, reached },
    "reached outside:1, which names inside:9092 for broker 2, which does not resolve",
  ],
  [
    failure("ECONNREFUSED"),
    { broker: 2, isItself: true, reached },
    "reached outside:1, which names inside:9092 for itself, which refuses connections",
  ],
  [failure("ETIMEDOUT"), { broker: 2, isItself: false, reached: [] }, "the cluster names inside:9092 for broker 2, which does not answer"],
  [
    failure("EWHATEVER"),
    { broker: 2, isItself: false, reached: [...reached, { host: "::1", port: 2 }] },
    "reached outside:1, [::1]:2, which name inside:9092 for broker 2, which cannot be reached (cannot connect)",
  ],
])("%s, named by %o: %s", (error, namedBy, message) => {
  const lost = unreachable(address, error, namedBy);
  expect(lost.message).toBe(message);
  expect(lost.namedBroker).toBe(namedBy?.broker ?? null);
});

/** Broker 1 is reached at fake:9001, and names itself by a name that means nothing here. */
function behindAnUnknownName() {
  const cluster = new FakeCluster([1]);
  const [log] = cluster.topic("t", [1]);
  fill(log, 0, 4);
  cluster.intercept = ({ api, request }) => {
    if (api !== "Metadata") return undefined;
    const { brokers, ...rest } = cluster.metadata(request);
    return { ...rest, brokers: brokers.map((broker) => ({ ...broker, host: "inside", port: 9092 })) };
  };
  const transport: Transport = {
    listen: (...args) => cluster.transport.listen(...args),
    connect: (to, ...rest) => (to.host === "inside" ? Promise.reject(failure("ENOTFOUND")) : cluster.transport.connect(to, ...rest)),
  };
  const warnings: string[] = [];
  const telling = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
  const runtime: ClientRuntime = { ...cluster.runtime, transport, log: telling };
  return { cluster, runtime, warnings };
}

const told = "reached fake:9001, which names inside:9092 for itself, which does not resolve";

test("a broker that names itself by a name that does not resolve: whoever asks it is told so, not that nobody answers", async () => {
  const { cluster, runtime } = behindAnUnknownName();
  const consumer = consumerFor(cluster, { runtime, stopAtEnd: true, requestTimeoutMs: 3_000 });
  const error = await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]).catch((e: unknown) => e));
  expect(error).toMatchObject({ name: "ConnectionLost", namedBroker: 1, message: told });
  expect(forPeople(error, ["fake:9001"])).toMatchObject({
    message: `${told}; clients have to reach what a broker names: see its advertised.listeners`,
  });
});

test("who reads and waits finds it in the log, once", async () => {
  const { cluster, runtime, warnings } = behindAnUnknownName();
  const consumer = consumerFor(cluster, { runtime });
  await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
  const waiting = consumer[Symbol.asyncIterator]().next();
  await cluster.clock.advance(30_000);
  expect(warnings).toEqual([told]);
  await consumer.close();
  expect((await waiting).done).toBe(true);
});
