import { orThrow } from "../../client/admin/admin-types.ts";
import type { Admin, BrokerMetadata, ConfigEntry, GroupLag, TopicDescription } from "../../client/index.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { metricsAddresses, readMetrics } from "../metrics/read-metrics.ts";
import { movesUnderWay } from "../rebalance/moves-under-way.ts";
import { readCopies } from "../rebalance/read-copies.ts";
import { brokerDirectories } from "../topic/broker-directories.ts";
import { type Known, known, ofEachBroker } from "../topic/known.ts";
import { zookeeperFacts } from "./ask-zookeeper.ts";
import { type Facts, type GroupFacts, knownOf, type Settings } from "./facts.ts";
import { probe } from "./probe.ts";

export interface Gathering {
  readonly admin: Admin;
  readonly bootstrap: readonly string[];
  readonly clock: Clock;
  /** What `--metrics` names. */
  readonly metricsNamed: readonly Address[];
  /** Between the two looks at what moves. */
  readonly observeMs: number;
  /** Of one address. */
  readonly answerMaxMs: number;
  readonly stop: AbortSignal;
}

/** A request each, so many at once, and not of more than this. */
const limits = { topics: 2_000, groups: 200, atOnce: 16 } as const;
const readTopicSettings = [
  "min.insync.replicas",
  "unclean.leader.election.enable",
  "retention.ms",
  "retention.bytes",
  "cleanup.policy",
  "leader.replication.throttled.replicas",
  "follower.replication.throttled.replicas",
];

/** Everything that the checks need. Rejects only where no broker tells what the cluster is; what else fails is in the facts. */
export async function gatherFacts(gathering: Gathering): Promise<Facts> {
  const { admin, clock, bootstrap, answerMaxMs, observeMs, stop } = gathering;
  const [first, topics] = await Promise.all([admin.describeCluster(), admin.listTopics()]);
  const { brokers } = first;
  const once = Promise.all([
    Promise.all(bootstrap.map((address) => probe(address, answerMaxMs, stop))),
    Promise.all(brokers.map(async (each) => [each.id, await probe(formatAddress(each), answerMaxMs, stop)] as const)),
    settingsOf(admin, brokers),
    known(topicSettingsOf(admin, topics)),
    brokerDirectories(admin, brokers),
    known(readCopies(admin, "bytes")),
  ]);
  const twice = lookTwice(gathering, first);
  const [[probedBootstrap, probes, settings, topicSettings, directories, copies], looks] = await Promise.all([once, twice]);
  const zookeeper = await zookeeperFacts(connectIn(settings), answerMaxMs);
  // what was on its way at first has arrived, or not
  const [cluster, topicsNow] = await Promise.all([known(admin.describeCluster()), known(admin.listTopics())]);
  stop.throwIfAborted();
  return {
    nowMs: clock.nowMs(),
    observedMs: observeMs,
    ...(cluster.value ?? first),
    topics: topicsNow.value ?? topics,
    bootstrap: probedBootstrap,
    probes: new Map(probes),
    settings,
    topicSettings,
    directories,
    copies,
    zookeeper,
    ...looks,
  };
}

type Looks = Pick<Facts, "metrics" | "moves" | "groups" | "groupsCount">;

async function lookTwice(
  { admin, clock, metricsNamed, observeMs, answerMaxMs, stop }: Gathering,
  cluster: { readonly clusterId: string | null; readonly brokers: readonly BrokerMetadata[] },
): Promise<Looks> {
  const addresses = metricsNamed.length > 0 ? new Map() : await metricsAddresses(admin, cluster.brokers);
  const metrics = () => readMetrics(cluster, addresses, { clock, named: metricsNamed, timeoutMs: answerMaxMs, stop });
  const listed = await known(admin.listGroups());
  const ids = (listed.value ?? []).map(({ groupId }) => groupId);
  const [metricsBefore, movesBefore, lagsBefore] = await Promise.all([metrics(), known(movesUnderWay(admin)), lagsOf(admin, ids)]);
  await sleep(clock, observeMs, stop);
  const [metricsAfter, movesAfter, lagsAfter] = await Promise.all([metrics(), known(movesUnderWay(admin)), lagsOf(admin, ids)]);
  const descriptions = await atOnce(ids.slice(0, limits.groups), async (id) => orThrow(await admin.describeGroups([id])));
  const groups = [...descriptions.values()].flat().map((description): GroupFacts => {
    const { groupId } = description;
    return { description, before: lagsBefore.get(groupId) ?? null, after: lagsAfter.get(groupId) ?? null };
  });
  return {
    metrics: new Map([...metricsAfter].map(([id, after]) => [id, { before: metricsBefore.get(id)?.sample ?? null, after }])),
    moves: bothOf(movesBefore, movesAfter),
    groups: listed.value === null ? { value: null, why: listed.why } : { value: groups, why: null },
    groupsCount: ids.length,
  };
}

function bothOf<T>(before: Known<T>, after: Known<T>): Known<{ readonly before: T; readonly after: T }> {
  if (before.why !== null) return { value: null, why: before.why };
  return after.why !== null ? { value: null, why: after.why } : { value: { before: before.value, after: after.value }, why: null };
}

/** Those of groups that answer. */
function lagsOf(admin: Admin, ids: readonly string[]): Promise<ReadonlyMap<string, readonly GroupLag[]>> {
  return atOnce(ids.slice(0, limits.groups), (id) => admin.groupLag(id));
}

function settingsOf(admin: Admin, brokers: readonly BrokerMetadata[]): Promise<ReadonlyMap<number, Known<Settings>>> {
  return ofEachBroker(
    brokers.map(({ id }) => id),
    async (id) => asSettings(orThrow(await admin.describeConfigs([{ broker: id }])).flatMap(({ configs }) => configs)),
  );
}

async function topicSettingsOf(admin: Admin, topics: readonly TopicDescription[]): Promise<ReadonlyMap<string, Settings>> {
  const names = topics.slice(0, limits.topics).map(({ name }) => name);
  return atOnce(names, async (topic) =>
    asSettings(orThrow(await admin.describeConfigs([{ topic }], { names: readTopicSettings })).flatMap(({ configs }) => configs)),
  );
}

function asSettings(configs: readonly ConfigEntry[]): Settings {
  return new Map(configs.map((config) => [config.name, config]));
}

function connectIn(settings: ReadonlyMap<number, Known<Settings>>): string | null {
  const named = knownOf(settings).map(([, each]) => each.get("zookeeper.connect")?.value ?? null);
  return named.find((each) => each !== null) ?? null;
}

/** Works on all, a few at the same time; what fails is missing in the result. The operation's own timeout bounds each. */
async function atOnce<T>(keys: readonly string[], work: (key: string) => Promise<T>): Promise<ReadonlyMap<string, T>> {
  const open = [...keys];
  const done = new Map<string, T>();
  let failures = 0;
  const inTurn = async () => {
    // where nobody answers any more the rest would only take its time to fail
    for (let key = open.shift(); key !== undefined && failures < limits.atOnce; key = open.shift())
      try {
        done.set(key, await work(key));
      } catch {
        failures++;
      }
  };
  await Promise.all(Array.from({ length: limits.atOnce }, inTurn));
  return done;
}
