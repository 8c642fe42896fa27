import { type Random, randomInt } from "../../protocol/base/random.ts";
import { Faults } from "./faults.ts";
import { planFor } from "./plan.ts";
import type { TraceSink } from "./trace.ts";
import { wallClockOffMaxMs } from "./troubles/wall-clocks.ts";
import { partitions, topic, World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Called with each line of the trace; quiet ones are those that a reader seldom needs. */
  readonly sink?: TraceSink;
  /** Only this scheme, repeatedly. */
  readonly scheme?: string;
  /** Of faults, in simulated time, with fewer of them and of records per minute; left out: some seconds. */
  readonly minutes?: number;
}

export interface SimulationResult {
  readonly seed: number;
  /** Null: the run passed. */
  readonly failure: string | null;
  /** Over every line of the trace: the same for the same seed. */
  readonly hash: string;
  readonly lines: number;
  readonly simulatedMs: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Rounds of compaction. */
  readonly compactions: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly latest: readonly string[];
}

const startLimitMs = 30_000;
/** Of a run that has no given length. */
const faultsMinMs = 8_000;
const faultsMoreMs = 10_000;
/** Of a run of given length: so many times the faults and records of a run without. */
const eventsOfLongRun = 10;
/**
 * From the end of the faults until everything is healed, in milliseconds: sessions, delivery and rebalancing all fit in it several times.
 */
const convergeLimitMs = 60_000;

/** Faults by seed while clients work (safety); then everything is healed, and the cluster must converge (liveness). Never rejects. */
export async function simulate({ seed, sink, scheme, minutes }: SimulationOptions): Promise<SimulationResult> {
  const world = new World(seed, sink ?? null, {}, planFor(seed));
  const faults = new Faults(world);
  const onUnhandled = (error: unknown) => world.violated(error instanceof Error ? error : new Error(String(error)));
  process.on("unhandledRejection", onUnhandled);
  process.on("uncaughtException", onUnhandled);
  let failure: string | null;
  try {
    failure = await run(world, faults, { scheme: scheme ?? null, lengthMs: minutes === undefined ? null : minutes * 60_000 });
  } catch (error) {
    failure = `the simulator itself failed: ${(error as Error).stack}`;
  } finally {
    process.off("unhandledRejection", onUnhandled);
    process.off("uncaughtException", onUnhandled);
  }
  const { trace, clock, workload } = world;
  return {
    seed,
    failure: world.violations[0] ?? failure,
    hash: trace.digest(),
    lines: trace.lines,
    simulatedMs: Math.round(clock.nowMs),
    sent: workload.sends.length,
    acknowledged: workload.sends.filter(({ state }) => state === "acknowledged").length,
    compactions: trace.compactions,
    faults: { ...faults.counts, ...(world.balance === null ? {} : { movedByItself: world.balance.moves }), ...world.transactions?.counts },
    latest: trace.latest,
  };
}

interface RunShape {
  readonly scheme: string | null;
  readonly lengthMs: number | null;
}

/** Null, or the condition that was not reached. */
async function run(world: World, faults: Faults, { scheme, lengthMs }: RunShape): Promise<string | null> {
  const { brokers, workload, random, clock, checker } = world;
  for (const broker of brokers) broker.start();
  const step = async (what: string, condition: () => boolean, limitMs: number) =>
    (await world.until(condition, limitMs)) ? null : `not within ${limitMs} ms: ${what}`;
  let failure = await step("the brokers start", () => brokers.every(({ isReady }) => isReady), startLimitMs);
  if (failure !== null) return failure;

  const configs = {
    "min.insync.replicas": String(world.minInsyncReplicas),
    "segment.bytes": String(1500 + Math.floor(random.next() * 6000)),
    // what retention or rot do to a compacted log cannot be told apart here
    ...(world.plan.retention === null && !world.plan.mayRot && !world.plan.hasGroup && random.next() < 0.4 ? compactedBy(random) : {}),
    ...world.plan.topicConfigs,
  };
  const tombstonesStayMs = Number(("delete.retention.ms" in configs && configs["delete.retention.ms"]) || 0);
  checker.tombstonesLeave = tombstonesStayMs < (world.plan.areClocksSet ? wallClockOffMaxMs : 60_000);
  checker.isCompacted = "cleanup.policy" in configs;
  let isSetUp = false;
  void workload
    .createTopic(configs)
    .then(() => world.transactions?.createTopic(world.minInsyncReplicas))
    .then(() => workload.startConsuming())
    .then(() => world.near?.start())
    .then(() => {
      isSetUp = true;
    });
  failure = await step(`topic ${topic} is created and read`, () => isSetUp && world.isConverged, startLimitMs);
  if (failure !== null) return failure;

  const stretch = lengthMs === null ? 1 : Math.max(1, lengthMs / (faultsMinMs + faultsMoreMs / 2) / eventsOfLongRun);
  workload.startSending((60 + random.next() * 120) * stretch, random.next() < (checker.isCompacted ? 0.2 : 0.5) ? 0 : 0.3);
  world.group?.start();
  world.fleeting?.start();
  world.transactions?.start();
  if (scheme === null) faults.start((world.plan.isSchemed ? 6000 : 600 + random.next() * 2400) * stretch);
  if (scheme !== null || world.plan.isSchemed) void faults.startSchemes(scheme);
  const faultyMs = lengthMs ?? faultsMinMs + random.next() * faultsMoreMs;
  const healAtMs = clock.nowMs + faultyMs;
  if (!(await world.until(() => clock.nowMs >= healAtMs, faultyMs + 10_000))) return "time stands still";

  faults.heal();
  workload.stopSending();
  world.group?.settle();
  world.fleeting?.stop();
  world.transactions?.settle();
  world.near?.stop();
  failure = await step("every partition is led and whole again", () => world.isConverged, convergeLimitMs);
  failure ??= await step("every send is settled", () => workload.isSettled, convergeLimitMs);
  failure ??= await step("the fleeting topic is gone", () => world.fleeting?.hasEnded !== false, convergeLimitMs);
  failure ??= await step("the brokers have equal shares", () => world.balance?.areEven() !== false, convergeLimitMs);
  if (failure !== null) return failure;
  let lastOnes: readonly string[] | null = null;
  void Promise.all(Array.from({ length: partitions }, (_, partition) => workload.send(`last${partition}:`, partition))).then((sends) => {
    lastOnes = sends.map(({ state }) => state);
  });
  failure = await step("a last record to each partition", () => lastOnes !== null && world.isConverged, convergeLimitMs);
  if (failure !== null) return failure;
  const everyPartition = Array.from({ length: partitions }, (_, partition) => partition);
  const failed = (lastOnes ?? []).some((state) => state !== "acknowledged");
  if (failed) return "a whole cluster does not take a record";
  const isRead = () => workload.sends.slice(-partitions).every(({ partition, offset }) => checker.consumedEnd(partition) > offset);
  failure = await step("the consumer has read to the end", isRead, convergeLimitMs);
  const isReadCloseBy = () => everyPartition.every((one) => (world.near?.readEnd(one) ?? Infinity) >= checker.consumedEnd(one));
  failure ??= await step("the consumer of a rack has read to the end", isReadCloseBy, convergeLimitMs);
  const isProcessed = (partition: number) => (world.group?.processedEnd(partition) ?? Infinity) >= checker.consumedEnd(partition);
  failure ??= await step("the group has processed everything", () => everyPartition.every(isProcessed), convergeLimitMs);
  failure ??= await step("the replicas have the last records", () => checker.areAlike(), convergeLimitMs);
  if (failure !== null) return failure;
  failure = await step("the transactional producers are done", () => world.transactions?.isIdle !== false, convergeLimitMs);
  world.transactions?.finish();
  failure ??= await step("every transaction is decided and read", () => world.transactions?.hasFinished !== false, convergeLimitMs);
  if (failure !== null) return failure;
  checker.finish(workload.sends);
  world.near?.finish();
  return null;
}

/** Small segments, so that compaction runs in the middle of everything. */
function compactedBy(random: Random): Readonly<Record<string, string>> {
  const codecs = ["producer", "producer", "gzip", "zstd"];
  return {
    "cleanup.policy": random.next() < 0.5 ? "compact" : "compact,delete",
    "segment.bytes": String(150 + randomInt(random, random.next() < 0.7 ? 400 : 1600)),
    "min.cleanable.dirty.ratio": random.next() < 0.5 ? "0.01" : "0.3",
    "delete.retention.ms": String(random.next() < 0.5 ? randomInt(random, 3000) : 300_000),
    "file.delete.delay.ms": String(randomInt(random, 1000)),
    "compression.type": codecs[randomInt(random, codecs.length)] ?? "producer",
  };
}

/** For a human: what failed, what led to it, and how to reproduce it. */
export function describeFailure({ seed, failure, latest }: SimulationResult): string {
  return [`seed ${seed}: ${failure}`, ...latest, `replay it with: npm run sim -- --seed ${seed}`].join("\n");
}
