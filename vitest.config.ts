import { defineConfig } from "vitest/config";

/** What must come true gets the time that it takes on a busy machine; of itself `expect.poll` waits for one second only. */
const expect = { poll: { timeout: 30_000 } };

/** Unit, property and simulator tests share the cores; anything that starts real processes runs one file at a time. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/{architecture,unit,sim}/**/*.test.ts"], testTimeout: 30_000, expect } },
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
