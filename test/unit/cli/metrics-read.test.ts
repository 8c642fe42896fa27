import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { brokerRates } from "../../../cli/metrics/broker-rates.ts";
import { brokerSample } from "../../../cli/metrics/broker-sample.ts";
import { metricsAddress } from "../../../cli/metrics/metrics-address.ts";
import { parseMetrics } from "../../../cli/metrics/metrics-text.ts";
import { metricsAddresses, readMetrics } from "../../../cli/metrics/read-metrics.ts";
import type { Admin } from "../../../client/index.ts";
import { nodeClientClock } from "../../../protocol/node/node-clock.ts";

const page = (id: number, more = "") => `# HELP ottla_broker_info Always 1.
# TYPE ottla_broker_info gauge
ottla_broker_info{broker_id="${id}",cluster_id="c"} 1
process_cpu_seconds_total 12.5
ottla_topic_received_bytes_total{topic="a"} 100
ottla_topic_received_bytes_total{topic="a\\"b\\\\c\\nd"} 7
ottla_event_loop_active_seconds_total 1
ottla_event_loop_idle_seconds_total 9
ottla_event_loop_delay_seconds_bucket{le="0.001"} 90
ottla_event_loop_delay_seconds_bucket{le="0.1"} 99
ottla_event_loop_delay_seconds_bucket{le="+Inf"} 100
ottla_zookeeper_session_state{state="connected"} 0
ottla_zookeeper_session_state{state="suspended"} 1
process_start_time_seconds 1
${more}`;

test("series are read with their labels, and what is none is passed over", () => {
  const text = 'wanted{x="1",y="a b"} 3\nother 4\nwanted 5 1700000000\nwanted{ 6\nwanted{} NaN\nwanted +Inf';
  expect(parseMetrics(text, new Set(["wanted"])).get("wanted")).toEqual([
    { labels: { x: "1", y: "a b" }, value: 3 },
    { labels: {}, value: 5 },
    { labels: {}, value: Number.POSITIVE_INFINITY },
  ]);
});

test("a broker's figures, and what it did between two of them", () => {
  const before = brokerSample(page(2));
  expect(before).toMatchObject({
    brokerId: 2,
    clusterId: "c",
    cpuSeconds: 12.5,
    sessionState: "suspended",
    memoryBytes: null,
    isReady: null,
  });
  expect([...before.receivedBytes]).toEqual([
    ["a", 100],
    ['a"b\\c\nd', 7],
  ]);
  const later = page(2).replace("12.5", "13").replace('topic="a"} 100', 'topic="a"} 300');
  const after = brokerSample(
    later
      .replace("active_seconds_total 1", "active_seconds_total 2")
      .replace("idle_seconds_total 9", "idle_seconds_total 10")
      .replace('le="0.1"} 99', 'le="0.1"} 199')
      .replace('"+Inf"} 100', '"+Inf"} 200'),
  );
  expect(brokerRates(before, after, 2)).toMatchObject({ cpu: 0.25, inBytesPerSecond: 100, loopBusy: 0.5, loopDelayMs: 100 });
  const restarted = { ...after, startedAtSeconds: 2 };
  expect(brokerRates(before, restarted, 2)).toMatchObject({ cpu: null, inBytesPerSecond: null, loopDelayMs: null });
  expect(brokerSample("<html>")).toMatchObject({ brokerId: null, cpuSeconds: null, loop: null });
});

test("where a broker's metrics are, by its metrics.listener", () => {
  const at = (listener: string | null) => metricsAddress(listener, "kafka-1.example");
  expect(at("http://10.0.0.1:9404").address).toEqual({ host: "10.0.0.1", port: 9404 });
  expect(at("http://:9404").address).toEqual({ host: "kafka-1.example", port: 9404 });
  expect(at("http://0.0.0.0:9404/").address).toEqual({ host: "kafka-1.example", port: 9404 });
  expect(at("http://[::]:9404").address).toEqual({ host: "kafka-1.example", port: 9404 });
  expect(at("http://[fe80::1]:9404").address).toEqual({ host: "fe80::1", port: 9404 });
  expect(at("").why).toContain("is not set");
  expect(at(null).why).toContain("none of Ottla's");
  expect(at("http://h:0").why).toContain("--metrics");
  expect(at("tcp:h").why).toContain("no http://host:port");
});

describe("metrics over the network", () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  async function serve(answer: RequestListener): Promise<{ readonly host: string; readonly port: number }> {
    const server = createServer(answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  }
  const sources = { clock: nodeClientClock, named: [], timeoutMs: 300, stop: new AbortController().signal };
  const cluster = (...ids: number[]) => ({ clusterId: "c", brokers: ids.map((id) => ({ id, host: "127.0.0.1", port: 1, rack: null })) });

  test("what hangs, refuses, is another's or is none says so, and holds up nobody", async () => {
    const right = await serve((_, response) => void response.end(page(1)));
    const hanging = await serve(() => {});
    const other = await serve((_, response) => void response.end(page(9)));
    const web = await serve((_, response) => void response.writeHead(404).end());
    const where = new Map(
      [right, hanging, other, web, { host: "127.0.0.1", port: 1 }].map((address, at) => [at + 1, { address, why: null }]),
    );
    const answers = await readMetrics(cluster(1, 2, 3, 4, 5, 6), where, sources);
    expect([...answers].map(([id, { why }]) => [id, why?.replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")])).toEqual([
      [1, undefined],
      [2, "ADDRESS does not answer"],
      [3, "at ADDRESS, where its metrics.listener is, broker 9 of cluster c answers"],
      [4, "ADDRESS answers with status 404"],
      [5, "ADDRESS refuses connections"],
      [6, "where they are is not known"],
    ]);
    const [first] = answers.values();
    expect(first?.why === null && Math.abs((first.scraped.dateMs ?? 0) - Date.now()) < 5_000).toBe(true);
  });

  test("where --metrics says where they are, each is taken for the broker that it says it is", async () => {
    const [one, two] = [await serve((_, response) => void response.end(page(2))), await serve((_, response) => void response.end(page(1)))];
    const answers = await readMetrics(cluster(1, 2, 3), new Map(), { ...sources, named: [one, two] });
    expect([...answers].map(([id, { sample }]) => [id, sample?.brokerId])).toEqual([
      [1, 1],
      [2, 2],
      [3, undefined],
    ]);
  });

  test("each broker is asked for its own listener; one that does not answer does not matter to others", async () => {
    const admin: Pick<Admin, "describeConfigs"> = {
      describeConfigs: async ([resource]) => {
        const broker = (resource as { readonly broker: number }).broker;
        if (broker === 2) throw new Error("gone");
        const listener = {
          name: "metrics.listener",
          value: "http://:9404",
          source: "static-broker" as const,
          isReadOnly: true,
          isSensitive: false,
          synonyms: [],
        };
        return [{ resource: { broker }, configs: broker === 3 ? [] : [listener], error: null }];
      },
    };
    const found = await metricsAddresses(admin, cluster(1, 2, 3).brokers);
    expect(found.get(1)?.address).toEqual({ host: "127.0.0.1", port: 9404 });
    expect(found.get(2)?.why).toBe("its settings cannot be read (gone)");
    expect(found.get(3)?.why).toContain("none of Ottla's");
  });
});
