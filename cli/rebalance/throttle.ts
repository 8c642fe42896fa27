import { KafkaProtocolError } from "../../client/base/errors.ts";
import type { Admin, ConfigResource, ResourceChange, TopicPartition } from "../../client/index.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { formatCount } from "../output/units.ts";
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
  const ofBrokers = ofAll(
    await ownSettings(
      admin,
      involved.map((broker) => ({ broker })),
      [...sides.map(rateSetting), throttleMark],
    ),
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
  const ofTopics = ofAll(await ownSettings(admin, topics, [...sides.map(replicasSetting), throttleMark]));
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
 * which takes a while where there are many topics. Who does not answer keeps its mark, which is told, and is asked the next time.
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
  const failed = [...ofTopics.failed, ...ofBrokers.failed];
  if (failed.length > 0) complain(`${notTold(failed)}: if anything throttles it, it stays until the next command that looks`);
  const changes = [
    ...ofTopics.owned.map(({ resource, own }) => ({ resource, changes: unlisting(own) })),
    ...ofBrokers.owned.map(({ resource, own }) => ({ resource, changes: unlimiting(own) })),
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
  if (!lists.owned.some(({ own }) => [...own.values()].some((list) => list !== ""))) return null;
  const set = rates.owned.flatMap(({ own }) => [...own.values()].map(Number));
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

interface Failed {
  readonly resource: ConfigResource;
  readonly error: unknown;
}

interface Told {
  readonly owned: readonly Owned[];
  readonly failed: readonly Failed[];
}

/** A rate or a list that is not known would be overwritten, or missing: copies would be faster than was asked for, and nobody told. */
function ofAll({ owned, failed }: Told): readonly Owned[] {
  if (failed.length > 0) throw new CommandFailed(`the throttle is not set: ${notTold(failed)}`);
  return owned;
}

function notTold([first, ...others]: readonly Failed[]): string {
  if (first === undefined) return "";
  const { resource, error } = first;
  const name = "topic" in resource ? `topic ${resource.topic}` : `broker ${resource.broker}`;
  const more = others.length === 0 ? "" : ` and ${formatCount(others.length, "other")}`;
  return `${name}${more} did not tell what is set (${explain(error)})`;
}

/** Of these, what each has for itself. Topics that are gone are left out. */
async function ownSettings(
  admin: Pick<Admin, "describeConfigs">,
  resources: readonly ConfigResource[],
  names: readonly string[],
): Promise<Told> {
  const told: (Owned | Failed | null)[] = [];
  for (let at = 0; at < resources.length; at += askedAtOnce)
    told.push(...(await Promise.all(resources.slice(at, at + askedAtOnce).map((one) => ownOf(admin, one, names)))));
  const known = told.filter((one) => one !== null);
  return { owned: known.filter((one) => "own" in one), failed: known.filter((one) => "error" in one) };
}

async function ownOf(
  admin: Pick<Admin, "describeConfigs">,
  resource: ConfigResource,
  names: readonly string[],
): Promise<Owned | Failed | null> {
  const one = await describedOf(admin, resource, names);
  if (one.error !== null) return isGone(one.error) ? null : { resource, error: one.error };
  const source = "topic" in resource ? "topic" : "dynamic-broker";
  const own = one.configs.filter((entry) => entry.source === source);
  return { resource, own: new Map(own.map(({ name, value }) => [name, value ?? ""])) };
}

async function describedOf(admin: Pick<Admin, "describeConfigs">, resource: ConfigResource, names: readonly string[]) {
  try {
    const [one] = await admin.describeConfigs([resource], { names });
    return one ?? { error: new CommandFailed("no answer") };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}

function isGone(error: unknown): boolean {
  return error instanceof KafkaProtocolError && error.code === "UNKNOWN_TOPIC_OR_PARTITION";
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
