import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestCluster } from "../support/cluster.ts";
import { type Exchanged, expectExchanged, writeTopic } from "../support/outside/exchange.ts";
import { KafkajsClient } from "../support/outside/kafkajs-client.ts";
import { Kcat, noKcat } from "../support/outside/kcat.ts";
import { OttlaClient } from "../support/outside/ottla-client.ts";
import type { OutsideClient } from "../support/outside/outside-client.ts";
import { PlatformaticClient } from "../support/outside/platformatic-client.ts";

const clients: readonly (new (bootstrap: readonly string[]) => OutsideClient)[] = [
  OttlaClient,
  KafkajsClient,
  PlatformaticClient,
  ...(noKcat === null ? [Kcat] : []),
];

describe("what one client writes, the others read", () => {
  let cluster: TestCluster;
  const written = new Map<string, Exchanged>();

  beforeAll(async () => {
    cluster = await TestCluster.start();
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  test.each(clients.map((make) => [make.name, make] as const))(
    "%s writes with every codec it has, stored as it came",
    async (_name, Client) => {
      const writer = new Client(cluster.bootstrap);
      written.set(writer.name, await writeTopic(cluster, writer));
    },
  );

  const readers = [OttlaClient, ...(noKcat === null ? [Kcat] : [])];
  test.each(readers.map((make) => [make.name, make] as const))("%s reads them all", async (_name, Client) => {
    const reader = new Client(cluster.bootstrap);
    expect(written.size).toBe(clients.length);
    for (const exchanged of written.values()) expectExchanged(await reader.consume(exchanged.topic), exchanged);
  });
});
