import type { Admin, ConfigResource, ResourceChange, TopicPartition } from "../../client/index.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import {
  type Copying,
  limiting,
  listing,
  type OwnSettings,
  rateSetting,
  replicasSetting,
  sides,
  throttleMark,
  unlimiting,
  unlisting,
} from "./throttle-marks.ts";

/** Copies that are made, or are to be. */
export interface ThrottledMove extends TopicPartition, Copying {}

type Altering = Pick<
  Admin,
  "describeCluster" | "describeConfigs" | "incrementalAlterConfigs" | "listTopics" | "listPartitionReassignments"
>;

/** Those that are under way. */
export async function copiesUnderWay(admin: Pick<Admin, "listPartitionReassignments">): Promise<readonly ThrottledMove[]> {
  const moves = await admin.listPartitionReassignments();
  return moves.map(({ topic, partition, replicas, adding }) => ({
    topic,
    partition,
    from: replicas.filter((id) => !adding.includes(id)),
    to: adding,
  }));
}

/**
 * Every broker that takes part sends and fetches at most so much a second of these copies. The rates come first: where a list is there
 * without them, nothing is throttled. Set again, it completes what is missing, and changes the rate.
 */
export async function setThrottle(admin: Altering, moves: readonly ThrottledMove[], bytesPerSecond: number): Promise<void> {
  const copied = moves.filter(({ to }) => to.length > 0);
  // before anything is set: what cannot be listed must not slow down what is listed already
  const ofTopics = await listings(admin, copied);
  const living = (await admin.describeCluster()).brokers.map(({ id }) => id);
  const involved = involvedIn(copied).filter((id) => living.includes(id));
  const ofBrokers = await ownSettings(
    admin,
    involved.map((broker) => ({ broker })),
    [...sides.map(rateSetting), throttleMark],
  );
  await alter(
    admin,
    ofBrokers.map(({ resource, own }) => ({ resource, changes: limiting(bytesPerSecond, own) })),
  );
  await alter(admin, ofTopics);
}

async function listings(admin: Pick<Admin, "describeConfigs">, copied: readonly ThrottledMove[]): Promise<readonly ResourceChange[]> {
  const byTopic = Map.groupBy(copied, ({ topic }) => topic);
  const topics = [...byTopic.keys()].map((topic) => ({ topic }));
  const ofTopics = await ownSettings(admin, topics, [...sides.map(replicasSetting), throttleMark]);
  return ofTopics.map(({ resource, own }) => {
    const topic = "topic" in resource ? resource.topic : "";
    const changes = listing(byTopic.get(topic) ?? [], own);
    if (changes === null)
      throw new CommandFailed(`topic ${topic} has throttled replicas of its own, and too many are moved to be added to them`);
    return { resource, changes };
  });
}

/**
 * What `setThrottle` has set, whoever called it. False: there was nothing, or it is needed, as `isNeeded` says once all has been read,
 * which takes a while where there are many topics. A broker that is away keeps its mark, and is asked the next time.
 */
export async function clearThrottle(admin: Altering, isNeeded: () => Promise<boolean>): Promise<boolean> {
  const [{ brokers }, topics] = await Promise.all([admin.describeCluster(), admin.listTopics()]);
  const ofTopics = await ownSettings(
    admin,
    topics.map(({ name }) => ({ topic: name })),
    [...sides.map(replicasSetting), throttleMark],
  );
  const ofBrokers = await ownSettings(
    admin,
    brokers.map(({ id }) => ({ broker: id })),
    [...sides.map(rateSetting), throttleMark],
  );
  const changes = [
    ...ofTopics.map(({ resource, own }) => ({ resource, changes: unlisting(own) })),
    ...ofBrokers.map(({ resource, own }) => ({ resource, changes: unlimiting(own) })),
  ];
  if (changes.every((change) => change.changes.length === 0) || (await isNeeded())) return false;
  return alter(admin, changes);
}

/** To what the copies under way are throttled; null: they are not. Also when another tool has set it. */
export async function throttleInForce(admin: Altering, moves: readonly ThrottledMove[]): Promise<number | null> {
  const copied = moves.filter(({ to }) => to.length > 0);
  const topics = [...new Set(copied.map(({ topic }) => topic))].map((topic) => ({ topic }));
  const brokers = involvedIn(copied).map((broker) => ({ broker }));
  const [lists, rates] = await Promise.all([
    ownSettings(admin, topics, sides.map(replicasSetting)),
    ownSettings(admin, brokers, sides.map(rateSetting)),
  ]);
  if (!lists.some(({ own }) => [...own.values()].some((list) => list !== ""))) return null;
  const set = rates.flatMap(({ own }) => [...own.values()].map(Number));
  return set.length === 0 ? null : Math.min(...set);
}

function involvedIn(moves: readonly ThrottledMove[]): readonly BrokerId[] {
  return [...new Set(moves.flatMap(({ from, to }) => [...from, ...to]))].sort((a, b) => a - b);
}

const askedAtOnce = 100;

interface Owned {
  readonly resource: ConfigResource;
  readonly own: OwnSettings;
}

/** Of these, what each has for itself. Left out: those that do not say, as they are gone or away. */
async function ownSettings(
  admin: Pick<Admin, "describeConfigs">,
  resources: readonly ConfigResource[],
  names: readonly string[],
): Promise<readonly Owned[]> {
  const described: Awaited<ReturnType<Admin["describeConfigs"]>>[number][] = [];
  for (let at = 0; at < resources.length; at += askedAtOnce) {
    const some = resources.slice(at, at + askedAtOnce);
    described.push(...(await Promise.all(some.map((one) => admin.describeConfigs([one], { names }).catch(() => [])))).flat());
  }
  return described.flatMap((one) => {
    if (one.error !== null) return [];
    const { resource, configs } = one;
    const source = "topic" in resource ? "topic" : "dynamic-broker";
    const own = configs.filter((entry) => entry.source === source);
    return [{ resource, own: new Map(own.map(({ name, value }) => [name, value ?? ""])) }];
  });
}

/** Whether there was anything to change. A topic that was deleted meanwhile needs nothing. */
async function alter(admin: Pick<Admin, "incrementalAlterConfigs">, changes: readonly ResourceChange[]): Promise<boolean> {
  const needed = changes.filter((change) => change.changes.length > 0);
  const results: Awaited<ReturnType<Admin["incrementalAlterConfigs"]>>[number][] = [];
  for (let at = 0; at < needed.length; at += askedAtOnce)
    results.push(...(await admin.incrementalAlterConfigs(needed.slice(at, at + askedAtOnce))));
  failForErrors(results.filter(({ error }) => error?.code !== "UNKNOWN_TOPIC_OR_PARTITION"));
  return needed.length > 0;
}
