import { setTimeout as sleep } from "node:timers/promises";
import { nodeRuntime } from "../../client/base/node-runtime.ts";
import type { Admin, ItemResult, PartitionReassignment, TopicPartition } from "../../client/index.ts";
import type { Plan, PlannedMove } from "../../placement/plan-contract.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import { formatCount } from "../output/units.ts";
import { StoppedEarly } from "../session/client-session.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import { watch } from "../session/watch.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { CopyingPace } from "./copying-pace.ts";
import { changeExcluded } from "./excluded-brokers.ts";
import { movesUnderWay } from "./moves-under-way.ts";
import { formatLimit } from "./rate.ts";
import { moveFields, movesAsText } from "./show-moves.ts";
import { clearThrottle, copiesUnderWay, setThrottle, type ThrottledMove, throttleInForce } from "./throttle.ts";

/** Partitions in one request. */
const atOnceMax = 500;
const lookEveryMs = 1000;
const knownEveryMs = 100;
const knownMaxMs = 3000;

export interface Carrying {
  readonly admin: Admin;
  readonly bootstrap: readonly string[];
  readonly shown: Shown;
  readonly stop: AbortSignal;
}

/**
 * Has the moves begun and waits until they are done; then the preferred leaders lead. What is begun goes on without us: the controller has
 * it in ZooKeeper.
 */
export async function carryOut(carrying: Carrying, { moves }: Plan, { leadersFirst, throttle }: HowToCarryOut): Promise<void> {
  if (moves.length === 0) return;
  const { admin } = carrying;
  const results = await unlessStopped(carrying, async () => {
    if (leadersFirst) await moveLeaders(admin, moves);
    const copies = moves.map(({ topic, partition, from, adding }) => ({ topic, partition, from, to: adding }));
    const wanted = moves.map(({ topic, partition, to }) => ({ topic, partition, replicas: to }));
    const begun = await throttledBegin(admin, wanted, copies, throttle);
    // Race: (1) the throttle is set; (2) another command, whose moves are over, sees none under way, and clears it; (3) the moves begin.
    if (throttle !== null) await setThrottle(admin, copies, throttle);
    await untilDone(carrying);
    await leadByPreferred(admin, moves);
    return begun;
  });
  failForErrors(results);
  const missed = await notCarriedOut(carrying, moves);
  if (missed > 0)
    throw new CommandFailed(
      `${formatCount(missed, "partition")} ${missed === 1 ? "is" : "are"} not where planned: the moves were cancelled, or replaced by others, meanwhile`,
    );
}

/** How many are elsewhere, though nothing is under way. Brokers learn a moment after the controller what is over. */
async function notCarriedOut({ admin, stop }: Carrying, moves: readonly PlannedMove[]): Promise<number> {
  for (let waitedMs = 0; ; waitedMs += knownEveryMs) {
    const topics = new Map((await admin.listTopics()).map(({ name, partitions }) => [name, partitions]));
    const missed = moves.filter(({ topic, partition, to }) => {
      const now = topics.get(topic)?.find((each) => each.partition === partition);
      // of a topic that was deleted nothing is left to move
      return now !== undefined && now.replicas.join() !== to.join();
    });
    if (missed.length === 0 || waitedMs >= knownMaxMs) return missed.length;
    await sleep(knownEveryMs, undefined, { signal: stop });
  }
}

export interface HowToCarryOut {
  readonly leadersFirst: boolean;
  /** Bytes a second; null: as fast as may be. */
  readonly throttle: number | null;
}

async function throttledBegin(
  admin: Admin,
  wanted: Parameters<typeof begin>[1],
  copies: readonly ThrottledMove[],
  throttle: number | null,
): ReturnType<typeof begin> {
  if (throttle === null) return begin(admin, wanted);
  try {
    await throttleTo(admin, copies, throttle);
    return await begin(admin, wanted);
  } catch (error) {
    // what has not begun needs no throttle, nor what of it is set; should this fail as well, the next command does it
    await clearWhenOver(admin).catch(() => undefined);
    throw error;
  }
}

async function throttleTo(admin: Admin, copies: readonly ThrottledMove[], bytesPerSecond: number): Promise<void> {
  await setThrottle(admin, copies, bytesPerSecond);
  complain(`copying is throttled to ${formatLimit(bytesPerSecond)} for each broker until the moves are over`);
}

/** Waits for moves that somebody began before, as one who was stopped. */
export async function goOnWithMoves(carrying: Carrying, throttle: number | null): Promise<void> {
  const { admin } = carrying;
  const moves = await admin.listPartitionReassignments();
  if (moves.length === 0) return clearWhenOver(admin);
  complain(`${formatCount(moves.length, "move")} under way already: going on with ${moves.length === 1 ? "it" : "them"}`);
  await unlessStopped(carrying, async () => {
    if (throttle !== null) await throttleTo(admin, await copiesUnderWay(admin), throttle);
    await untilDone(carrying);
    await leadByPreferred(admin, moves);
  });
}

/** Whoever finds that no moves are under way takes away what throttled them. */
async function clearWhenOver(admin: Admin): Promise<void> {
  const areUnderWay = async () => (await admin.listPartitionReassignments()).length > 0;
  if (await areUnderWay()) return;
  // Race: (1) no moves are under way; (2) while the settings are read, another command sets a throttle, and its moves begin; (3) we would
  // take it for a former one.
  if (await clearThrottle(admin, areUnderWay)) complain("the moves are over: the throttle is taken away");
}

async function unlessStopped<T>({ stop }: Carrying, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    stop.throwIfAborted();
    return result;
  } catch (error) {
    if (!stop.aborted) throw error;
    throw new StoppedEarly(
      "what has begun goes on: `ottla cluster rebalance --watch` shows it (and takes a throttle away when it is over), and --cancel ends it",
    );
  }
}

/** Whoever leads and is to go hands over to one that has the records already, before anything is copied. */
async function moveLeaders(admin: Admin, moves: readonly PlannedMove[]): Promise<void> {
  const leaving = moves.filter(({ from, to, removing }) => removing.includes(from[0] ?? -1) && from.includes(to[0] ?? -1));
  const reordered = leaving.map(({ topic, partition, from, to }) => {
    const [leader = -1] = to;
    return { topic, partition, replicas: [leader, ...from.filter((id) => id !== leader)] };
  });
  failForErrors(await begin(admin, reordered));
  await leadByPreferred(admin, leaving);
}

async function begin(
  admin: Admin,
  wanted: Parameters<Admin["alterPartitionReassignments"]>[0],
): Promise<readonly ItemResult<TopicPartition>[]> {
  const results: ItemResult<TopicPartition>[] = [];
  for (let at = 0; at < wanted.length; at += atOnceMax)
    results.push(...(await admin.alterPartitionReassignments(wanted.slice(at, at + atOnceMax))));
  return results;
}

/** One that cannot lead now is elected later, by the controller itself. */
async function leadByPreferred(admin: Admin, partitions: readonly TopicPartition[]): Promise<void> {
  if (partitions.length > 0)
    await admin.electLeaders(
      "preferred",
      partitions.map(({ topic, partition }) => ({ topic, partition })),
    );
}

/** Ends when no moves are under way: with their progress on a terminal, silently elsewhere. */
async function untilDone(carrying: Carrying): Promise<void> {
  const { admin, shown, stop } = carrying;
  if (shown.output.look.isTerminal && !shown.json) return watchMoves(carrying, null);
  while ((await admin.listPartitionReassignments()).length > 0) await sleep(lookEveryMs, undefined, { signal: stop });
  await clearWhenOver(admin);
}

/** Shows moves until there are none. `throttle`: to what they are slowed from now on; null: as they are. */
export async function watchMoves({ admin, bootstrap, shown, stop }: Carrying, throttle: number | null): Promise<void> {
  const { json, output } = shown;
  const copies = throttle === null ? [] : await copiesUnderWay(admin);
  if (throttle !== null && copies.length > 0) await throttleTo(admin, copies, throttle);
  const { clock } = nodeRuntime;
  const done = new AbortController();
  const pace = new CopyingPace();
  const show = async (frame: Output) => {
    const moves = pace.saw(await movesUnderWay(admin), clock.monotonicMs());
    if (moves.length === 0) return done.abort();
    const limit = await throttleInForce(admin, await copiesUnderWay(admin));
    await (json ? frame.json(moveFields(moves, limit)) : frame.write(movesAsText(moves, limit, frame.look)));
  };
  await watch(show, { everyMs: lookEveryMs, json, bootstrap, output, clock, stop: AbortSignal.any([stop, done.signal]) });
  if (done.signal.aborted) await clearWhenOver(admin);
}

/**
 * All that are under way: what was there before stays, and what was copied is removed. Whoever was being drained is not any more: a later
 * drain would empty it, too.
 */
export async function cancelMoves(admin: Admin, { output, json }: Shown): Promise<void> {
  const moves = await admin.listPartitionReassignments();
  const results = await begin(
    admin,
    moves.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
  );
  const cancelled = results.filter(({ error }) => error === null);
  if (json) await output.json({ cancelled: cancelled.map(({ topic, partition }) => ({ topic, partition })) });
  else if (moves.length === 0) await output.line("no moves are under way");
  else await output.line(`cancelled ${formatCount(cancelled.length, "move")}: these partitions stay where they were`);
  // one that has just ended
  const failed = results.filter(({ error }) => error !== null && error.code !== "NO_REASSIGNMENT_IN_PROGRESS");
  const kept = new Set(moves.flatMap(({ removing }) => removing));
  const living = kept.size === 0 ? undefined : (await admin.describeCluster()).brokers[0]?.id;
  if (living !== undefined) await changeExcluded(admin, living, { emptied: [], filled: [...kept] });
  // what is cancelled copies nothing any more, though it may be listed for a moment; what another command began meanwhile does
  const ours = new Set(moves.map(moveText));
  const others = async () => (await admin.listPartitionReassignments()).some((move) => !ours.has(moveText(move)));
  if (failed.length === 0 && (await clearThrottle(admin, others)) && !json) await output.line("the throttle is taken away");
  failForErrors(failed);
}

/** Two moves of one partition are not the same move. */
function moveText({ topic, partition, adding, removing }: PartitionReassignment): string {
  return JSON.stringify([topic, partition, adding, removing]);
}
