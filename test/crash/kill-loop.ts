import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import { nodeFileSystem } from "../../broker/runtime/node-files.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { verify } from "../unit/cli/log-verify/verify-fixture.ts";
import { LogExpectation } from "./expectations.ts";
import { type CrashEvent, type CrashTopic, logsOfCrash, topicId } from "./workload.ts";

const writerFile = fileURLToPath(new URL("writer.ts", import.meta.url));
/** Milliseconds: a writer lives so long at most once it writes, or from its start when it is killed on its way. */
const livesMax = 150;
const startsMax = 250;

export interface KillReport {
  readonly kills: number;
  /** Offsets that were acknowledged, over all lives. */
  readonly acknowledged: number;
  /** Of these kills the writer was still opening its logs. */
  readonly whileOpening: number;
  readonly checks: number;
}

/** Kills a writer again and again, and checks after each time, or after two, what it left. Rejects with the seed and the kill. */
export async function killRepeatedly(folder: string, seed: number, kills: number): Promise<KillReport> {
  const random = seededRandom(seed);
  const expected = new Map<string, LogExpectation>(logsOfCrash.map(({ topic }) => [topic, new LogExpectation(topic)]));
  let [whileOpening, checks] = [0, 0];
  for (let kill = 1; kill <= kills; kill++) {
    try {
      const { events, wasReady } = await lifeOf(folder, seed * 100_000 + kill, kill, random);
      for (const event of events) expected.get(event.topic)?.note(event, { lost: false });
      if (!wasReady) whileOpening++;
      // now and then the next writer finds what the last one left, and not what a check made of it
      if (kill < kills && random.next() < 0.3) continue;
      checks++;
      await check(folder, expected);
    } catch (error) {
      throw new Error(`seed ${seed}, kill ${kill} of ${kills}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
  const acknowledged = [...expected.values()].reduce((sum, { endMin }) => sum + endMin, 0);
  return { kills, acknowledged, whileOpening, checks };
}

async function lifeOf(folder: string, seed: number, producerEpoch: number, random: Random) {
  const child = spawn(process.execPath, [writerFile, folder, String(seed), String(producerEpoch)], { stdio: ["pipe", "pipe", "pipe"] });
  const closed = once(child, "close");
  let [said, complaint] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text) => {
    complaint += text;
  });
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      if (said.includes("ready\n")) resolve();
    });
  });
  if (random.next() < 0.8) {
    await Promise.race([ready, closed]);
    await sleep(randomInt(random, livesMax));
  } else await sleep(randomInt(random, startsMax));
  await endByKill(child, closed);
  if (child.signalCode !== "SIGKILL") throw new Error(`the writer ended by itself, with ${child.exitCode}: ${complaint}`);
  return { events: eventsIn(said), wasReady: said.includes("ready\n") };
}

async function endByKill(child: ChildProcess, closed: Promise<unknown>): Promise<void> {
  child.kill("SIGKILL");
  await closed;
}

/** What was being said when it was killed does not count. */
function eventsIn(said: string): CrashEvent[] {
  return [...said.matchAll(/^(\w+) (\w+) (\d+)\n/gm)].map(([, kind, topic, offset]) => ({
    kind: kind as CrashEvent["kind"],
    topic: topic as CrashTopic,
    offset: Number(offset),
  }));
}

/**
 * Opens what is there as a broker does, compares, closes, and asks `ottla log verify`, which rebuilds the producers' state from the
 * batches.
 */
async function check(directory: string, expected: ReadonlyMap<string, LogExpectation>): Promise<void> {
  const files = nodeFileSystem();
  const store = await openLogStore({ files, clock: nodeClock, random: seededRandom(1), log: silentLogger }, { directory });
  for (const { topic, settings } of logsOfCrash) await expected.get(topic)?.check(await store.open(topic, 0, topicId, settings));
  await store.close();
  // killed in a log's first round, there is no checkpoint yet that says that it is compacted
  const compacted = logsOfCrash.filter(({ settings }) => settings.cleanupPolicy !== "delete").map(({ topic }) => topic);
  const { failure } = await verify(files, [directory], { compacted, producerExpiration: Number.MAX_SAFE_INTEGER });
  if (failure !== null) throw new Error(failure);
}
