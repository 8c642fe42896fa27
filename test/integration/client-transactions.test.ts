import { describe } from "vitest";
import { playTransactions } from "../support/client-transactions.ts";
import { TestCluster } from "../support/cluster.ts";

const settings = {
  "default.replication.factor": 1,
  "min.insync.replicas": 1,
  "offsets.topic.replication.factor": 1,
  "transaction.state.log.replication.factor": 1,
  "transaction.state.log.min.isr": 1,
};

describe("our client's transactions with our own broker", () => {
  playTransactions({
    missing: null,
    raisesEpochs: true,
    start: async () => {
      const cluster = await TestCluster.start({ brokers: 1, settings });
      return { bootstrap: cluster.bootstrap, stop: () => cluster.stop() };
    },
  });
});
