import { join } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";
import { mutated, readSource, root } from "./test/mutants/mutant.ts";
import { mutants } from "./test/mutants/mutants.ts";

/** What must come true gets the time that it takes on a busy machine; of itself `expect.poll` waits for one second only. */
const expect = { poll: { timeout: 30_000 } };

/** The sources with the mutant that OTTLA_MUTANT names (`npm run mutants`). The files stay as they are. */
const wrong = mutants.find(({ name }) => name === process.env.OTTLA_MUTANT);
const withMutant: Plugin = {
  name: "mutant",
  enforce: "pre",
  load: (id) => (wrong !== undefined && id === join(root, wrong.file) ? mutated(wrong, readSource(wrong)) : null),
};

/** Unit, property and simulator tests share the cores; anything that starts real processes runs one file at a time. */
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
          name: "integration",
          include: ["test/{integration,conformance,crash,chaos}/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          expect,
        },
      },
      {
        test: {
          name: "containers",
          include: ["test/containers/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
