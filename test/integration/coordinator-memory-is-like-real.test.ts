import { expect, test } from "vitest";
import type { Coordinator, WriteOperation } from "../../coordinator-client/coordinator.ts";
import { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const rounds = 400;
const seed = Number(process.env.OTTLA_TEST_SEED ?? Date.now() % 1_000_000);
const names = ["a", "b"];

/** Paths up to three levels deep below `/r`, few enough to collide. */
function randomPath(random: Random): string {
  const depth = 1 + randomInt(random, 3);
  return `/r/${Array.from({ length: depth }, () => names[randomInt(random, names.length)]).join("/")}`;
}

function randomOperation(random: Random): WriteOperation {
  const path = randomPath(random);
  const version = randomInt(random, 4) - 1;
  const data = random.bytes(randomInt(random, 4));
  switch (randomInt(random, 6)) {
    case 0:
      return { kind: "set", path, data, version };
    case 1:
      return { kind: "delete", path, version };
    case 2:
      return { kind: "check", path, version };
    case 3:
      return { kind: "create", path, data, mode: "persistent-sequential" };
    case 4:
      return { kind: "create", path, data, mode: "ephemeral" };
    default:
      return { kind: "create", path, data, mode: "persistent" };
  }
}

/**
 * One that may well succeed. Of purely random operations few do, and with some seeds hardly any: with an ephemeral node at the top, nothing
 * can be created below it.
 */
async function likelyOperation(random: Random, coordinator: Coordinator): Promise<WriteOperation> {
  const path = randomPath(random);
  const data = random.bytes(randomInt(random, 4));
  const node = await coordinator.read(path);
  if (node === null) return { kind: "create", path, data, mode: randomInt(random, 4) === 0 ? "ephemeral" : "persistent" };
  const { version } = node;
  return randomInt(random, 2) === 0 ? { kind: "set", path, data, version } : { kind: "delete", path, version };
}

/** Everything visible below a path, except transaction ids. */
async function snapshot(coordinator: Coordinator, path: string): Promise<unknown[]> {
  const [node, list] = await Promise.all([coordinator.read(path), coordinator.children(path)]);
  if (node === null) return [];
  const { data, version, ownedByUs } = node;
  const children = await Promise.all((list?.names ?? []).map((name) => snapshot(coordinator, `${path}/${name}`)));
  return [[path, data.toString("hex"), version, ownedByUs, list?.childVersion, list?.names], ...children.flat()];
}

test(`the ensemble in memory answers random transactions as a real ZooKeeper does (OTTLA_TEST_SEED=${seed})`, async () => {
  await using server = await TestZookeeper.start();
  const options = { sessionTimeoutMs: 30_000, clock: nodeClock, log: silentLogger };
  const real = openZookeeper({ ...options, connectionString: server.connectionString, random: seededRandom(1) });
  const memory = new MemoryEnsemble({ clock: nodeClock, latencyMs: () => 0 }).open(options);
  try {
    const both = async <T>(ask: (coordinator: Coordinator) => Promise<T>) => await Promise.all([ask(real), ask(memory)]);
    await both((coordinator) => coordinator.connected());
    await both((coordinator) => coordinator.ensurePath("/r"));
    const random = seededRandom(seed);
    const seen = { written: 0, conflict: 0, unknown: 0 };
    for (let round = 0; round < rounds; round++) {
      const operations: WriteOperation[] = [];
      for (let count = 1 + randomInt(random, 3); operations.length < count; )
        operations.push(randomInt(random, 4) === 0 ? randomOperation(random) : await likelyOperation(random, memory));
      const [fromReal, fromMemory] = await both((coordinator) => coordinator.write(operations));
      expect(fromMemory, `seed ${seed}, round ${round}: ${JSON.stringify(operations)}`).toEqual(fromReal);
      seen[fromReal.kind]++;
      if (round % 20 === 0) {
        const [realTree, memoryTree] = await both((coordinator) => snapshot(coordinator, "/r"));
        expect(memoryTree, `seed ${seed}, round ${round}`).toEqual(realTree);
      }
    }
    console.log(`of ${rounds} transactions ${seen.written} were written, ${seen.conflict} refused`);
    expect(seen.written, `seed ${seed}`).toBeGreaterThan(rounds / 10);
    expect(seen.conflict, `seed ${seed}`).toBeGreaterThan(rounds / 10);
    expect(seen.unknown, `seed ${seed}`).toBe(0);
  } finally {
    await Promise.all([real.close(), memory.close()]);
  }
});
