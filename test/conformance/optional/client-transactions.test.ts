import { describe } from "vitest";
import { kafkas } from "../../bench/systems/kafka.ts";
import { playTransactions } from "../../support/client-transactions.ts";

// Our client's transactions with Apache Kafka, version 1 (3.9.1) and version 2 (4.4): tested where it can be had, skipped with the reason
// where not.
const cases = await Promise.all(
  kafkas
    .filter(({ name }) => name.endsWith("-small"))
    .map(async (system) => {
      const missing = await system.missing();
      return { system, missing, title: missing === null ? system.title : `${system.title}: ${missing}` };
    }),
);

describe.each(cases)("transactions with $title", ({ system, missing }) => {
  const stopped = new AbortController();
  playTransactions({
    missing,
    raisesEpochs: system.name.startsWith("kafka-4"),
    start: async () => {
      const running = await system.start({ brokers: 1 }, stopped.signal);
      return { bootstrap: running.bootstrap, stop: () => running.discard() };
    },
  });
});
