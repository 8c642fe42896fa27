import { join } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";
import { mutated, readSource, root } from "./test/mutants/mutant.ts";
import { mutants } from "./test/mutants/mutants.ts";

/** What must come true gets the time that it takes on a busy machine; of itself `expect.poll` waits for one second only. */
const expect = { poll: { timeout: 30_000 } };
const realProcesses = { testTimeout: 180_000, hookTimeout: 120_000, expect };

/** The sources with the mutant that OTTLA_MUTANT names (`npm run mutants`). The files stay as they are. */
const wrong = mutants.find(({ name }) => name === process.env.OTTLA_MUTANT);
const withMutant: Plugin = {
  name: "mutant",
  enforce: "pre",
  load: (id) => (wrong !== undefined && id === join(root, wrong.file) ? mutated(wrong, readSource(wrong)) : null),
};

/**
 * Of the tests that start real processes, those that bear company: they mostly wait (for sessions to end, for commands to start), and
 * assert no duration, latency or memory that somebody else's load could spoil, and no fixed port. A new file is not of them until its
 * name is written here.
 */
const bearCompany = [
  "integration/auto-rebalance",
  "integration/cli",
  "integration/client-events",
  "integration/client-groups",
  "integration/client-groups-command",
  "integration/client-options",
  "integration/compaction",
  "integration/completion",
  "integration/consume-records",
  "integration/consumer-groups",
  "integration/coordinator",
  "integration/coordinator-ensemble",
  "integration/coordinator-memory-is-like-real",
  "integration/copy",
  "integration/doctor",
  "integration/down-and-status",
  "integration/groups",
  "integration/in-sync-sets",
  "integration/leader-hints",
  "integration/lost-zookeeper",
  "integration/metrics",
  "integration/migration-pages",
  "integration/old-leader",
  "integration/planned-moves",
  "integration/produce-lines",
  "integration/reassignment",
  "integration/rebalance",
  "integration/recover",
  "integration/retention",
  "integration/returned-coordinator",
  "integration/run-handlers",
  "integration/told-waits",
  "integration/top",
  "conformance/exchange",
  "conformance/groups-outside",
  "conformance/idempotent-outside",
  "conformance/kafkajs",
  "conformance/kcat",
  "conformance/messages",
  "conformance/platformatic",
].map((name) => `test/${name}.test.ts`);

/** Unit, property and simulator tests share the cores; of what starts real processes two files run at a time, or one. */
export default defineConfig({
  test: {
    // what is cached would be taken for the sources by the next run
    fsModuleCache: wrong === undefined,
    projects: [
      {
        plugins: [withMutant],
        test: { name: "unit", include: ["test/{architecture,unit,sim}/**/*.test.ts"], testTimeout: 30_000, expect },
      },
      {
        test: {
          name: "beside",
          include: bearCompany,
          ...realProcesses,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/{integration,conformance,crash,chaos}/**/*.test.ts"],
          exclude: bearCompany,
          ...realProcesses,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "containers",
          include: ["test/containers/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
