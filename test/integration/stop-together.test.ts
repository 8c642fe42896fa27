import { expect, test } from "vitest";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";

/** What `ottla up` gives its brokers before it kills them is 3.5 s. */
const stopMaxMs = 3000;

test("brokers that are all told to stop at once do so cleanly and soon, each handing over to whoever is left", async () => {
  const cluster = await TestCluster.start();
  try {
    await using admin = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await admin.createTopics([{ name: "t", partitions: 6, replicationFactor: 3 }]));
    await using producer = new Producer({ bootstrap: cluster.bootstrap });
    await Promise.all(Array.from({ length: 60 }, (_, i) => producer.send({ topic: "t", partition: i % 6, value: `${i}` })));
    const startedMs = performance.now();
    await Promise.all(cluster.ids.map((id) => cluster.shutDown(id)));
    const tookMs = performance.now() - startedMs;
    console.log(`three brokers stopped together in ${tookMs.toFixed(0)} ms`);
    for (const id of cluster.ids) expect(await cluster.logTail(id, 1), `broker ${id}`).toMatch(/"msg":"stopped"/);
    expect(tookMs).toBeLessThan(stopMaxMs);
    await cluster.replicasIdentical("t");
  } finally {
    await cluster.stop();
  }
});
