// What groups cost: `npm run bench:groups [-- --heartbeat-ms 3000 --positions 1000000 --only-reload]`. 200 groups of 3 members, one group
// of 200 members over 400 partitions, in both protocols; then the reload of many committed positions by the next coordinator. The members
// are scripted: they keep their membership and fetch nothing, so that the brokers' part is what is seen.

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build as buildHistogram } from "hdr-histogram-js";
import { Admin, orThrow } from "../../client/index.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { TestCluster } from "../support/cluster.ts";
import { AssignmentHistory, CommitLedger } from "../support/group/assignment-history.ts";
import { CoordinatorConnection } from "../support/group/raw-group.ts";
import { ScriptedClassicMember } from "../support/group/scripted-classic-member.ts";
import { ScriptedIncrementalMember } from "../support/group/scripted-incremental-member.ts";
import { waitUntil } from "../support/wait-until.ts";

type Member = ScriptedClassicMember | ScriptedIncrementalMember;
type GroupProtocol = "classic" | "consumer";

interface Shape {
  readonly groups: number;
  readonly members: number;
  readonly partitions: number;
}

const sessionTimeoutMs = 45_000;
const measuredMs = 15_000;
const stableMaxMs = 180_000;
const groupPartitions = 500;

/** Resident memory of each broker, MiB. */
async function residentMib(cluster: TestCluster): Promise<number[]> {
  return Promise.all(
    cluster.ids.map(async (id) => {
      const status = await readFile(`/proc/${cluster.pid(id)}/status`, "utf8").catch(() => "");
      return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024);
    }),
  );
}

/** Processor time of each broker so far, milliseconds: what a busy machine does not stretch. Linux counts in hundredths of a second. */
async function processorMs(cluster: TestCluster): Promise<Map<number, number>> {
  const of = async (id: number) => {
    const stat = await readFile(`/proc/${cluster.pid(id)}/stat`, "utf8").catch(() => "");
    const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).map(Number);
    return [id, ((user ?? 0) + (system ?? 0)) * 10] as const;
  };
  return new Map(await Promise.all(cluster.ids.map(of)));
}

async function measureGroups(cluster: TestCluster, groupProtocol: GroupProtocol, shape: Shape, heartbeatMs: number): Promise<void> {
  const topic = `${groupProtocol}-${shape.groups}`;
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: topic, partitions: shape.partitions, replicationFactor: 1 }]));
  const histogram = buildHistogram({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  let isMeasuring = false;
  const onHeartbeat = (tookMs: number) => {
    if (isMeasuring) histogram.recordValue(Math.max(1, Math.round(tookMs * 1000)));
  };
  const startedAtMs = performance.now();
  const groups = Array.from({ length: shape.groups }, (_, group) => {
    const history = new AssignmentHistory();
    const members = Array.from({ length: shape.members }, (_, member): Member => {
      const parts = {
        ...{ name: `${group}.${member}`, cluster, groupId: `${topic}-${group}`, topic, partitions: shape.partitions, sessionTimeoutMs },
        ...{ pauseMs: heartbeatMs, commits: false, onHeartbeat, history, ledger: new CommitLedger() },
      };
      return groupProtocol === "classic" ? new ScriptedClassicMember(parts).start() : new ScriptedIncrementalMember(parts).start();
    });
    return { members, history };
  });
  const isStable = ({ members }: { readonly members: readonly Member[] }) =>
    members.every(({ owned }) => owned.length > 0) && members.reduce((sum, { owned }) => sum + owned.length, 0) === shape.partitions;
  await waitUntil("stable groups", () => groups.every(isStable), { timeoutMs: stableMaxMs });
  const stableAfterMs = performance.now() - startedAtMs;
  isMeasuring = true;
  await sleep(measuredMs);
  isMeasuring = false;
  const faults = groups.flatMap(({ history }) => history.faults);
  if (faults.length > 0 || !groups.every(isStable)) throw new Error(`not as it should be: ${faults.slice(0, 5).join("; ")}`);
  const rss = await residentMib(cluster);
  await Promise.all(groups.flatMap(({ members }) => members.map((member) => member.stop())));
  const took = (percentile: number) => `${(histogram.getValueAtPercentile(percentile) / 1000).toFixed(1)} ms`;
  console.log(
    `${groupProtocol.padEnd(9)} ${`${shape.groups} x ${shape.members} members, ${shape.partitions} partitions`.padEnd(34)} stable after ${(stableAfterMs / 1000).toFixed(1)} s; ` +
      `${histogram.totalCount} heartbeats, p50 ${took(50)}, p99 ${took(99)}, max ${(histogram.maxValue / 1000).toFixed(1)} ms; brokers use ${rss.join(", ")} MiB`,
  );
}

/** All in one partition of `__consumer_offsets`, the worst case: then its leader is killed. */
async function measureReload(positions: number): Promise<void> {
  const cluster = await TestCluster.start({ settings: { "offsets.topic.num.partitions": 1 } });
  try {
    const topic = "kept";
    await using admin = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await admin.createTopics([{ name: topic, partitions: groupPartitions, replicationFactor: 1 }]));
    const groups = Math.ceil(positions / groupPartitions);
    const coordinator = new CoordinatorConnection(cluster, "group-0");
    const startedAtMs = performance.now();
    let next = 0;
    const committing = async () => {
      for (let group = next++; group < groups; group = next++) await commitAll(coordinator, `group-${group}`, topic);
    };
    await commitAll(coordinator, "first", topic); // makes `__consumer_offsets`, and finds its leader, before many ask at the same time
    await Promise.all(Array.from({ length: 8 }, committing));
    const tookMs = performance.now() - startedAtMs;
    console.log(
      `commits   ${groups * groupPartitions} positions in ${(tookMs / 1000).toFixed(1)} s; brokers use ${(await residentMib(cluster)).join(", ")} MiB`,
    );
    const killed = coordinator.brokerId;
    const before = await processorMs(cluster);
    const killedAtMs = performance.now();
    await cluster.kill(killed);
    const found = await fetchAll(coordinator, `group-${groups - 1}`, topic);
    const backAfterMs = performance.now() - killedAtMs;
    const usedMs = ((await processorMs(cluster)).get(coordinator.brokerId) ?? 0) - (before.get(coordinator.brokerId) ?? 0);
    if (found !== groupPartitions) throw new Error(`${found} positions instead of ${groupPartitions}`);
    const reload = /"tookMs":(\d+)/.exec(
      (await cluster.logTail(coordinator.brokerId, 400)).split("\n").findLast((line) => line.includes("coordinating the groups")) ?? "",
    );
    console.log(
      `reload    ${reload?.[1] ?? "?"} ms (with ${usedMs} ms of processor time, failover included); answering again ${(backAfterMs / 1000).toFixed(1)} s after the coordinator was killed; brokers use ${(await residentMib(cluster)).join(", ")} MiB`,
    );
    coordinator.close();
  } finally {
    await cluster.stop();
  }
}

async function commitAll(coordinator: CoordinatorConnection, groupId: string, topic: string): Promise<void> {
  const partitions = Array.from({ length: groupPartitions }, (_, partitionIndex) => ({
    ...{ partitionIndex, committedOffset: 123_456 + partitionIndex, committedLeaderEpoch: 3, commitTimestamp: -1, committedMetadata: "" },
  }));
  const nobody = { generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
  const errorOf = (answer: { topics: readonly { partitions: readonly { errorCode: string }[] }[] }) =>
    answer.topics[0]?.partitions.find(({ errorCode }) => errorCode !== "NONE")?.errorCode ?? "NONE";
  const body = { groupId, ...nobody, topics: [{ name: topic, topicId: zeroTopicId, partitions }] };
  const answer = await coordinator.ask(apis.offsetCommit, 8, body, errorOf);
  if (errorOf(answer) !== "NONE") throw new Error(`commit: ${errorOf(answer)}`);
}

async function fetchAll(coordinator: CoordinatorConnection, groupId: string, topic: string): Promise<number> {
  const group = { groupId, memberId: null, memberEpoch: -1, topics: null };
  const body = { groupId: "", topics: [], groups: [group], requireStable: true };
  const api = apis.offsetFetch;
  const answer = await coordinator.ask(api, 8, body, ({ groups }) => groups[0]?.errorCode ?? "");
  const partitions = answer.groups[0]?.topics.find(({ name }) => name === topic)?.partitions ?? [];
  return partitions.filter(({ committedOffset, partitionIndex }) => committedOffset === 123_456 + partitionIndex).length;
}

async function measureMembership(heartbeatMs: number): Promise<void> {
  console.log(`a heartbeat every ${heartbeatMs} ms; a classic group waits 3 s for its first members, as on Kafka`);
  const cluster = await TestCluster.start({ settings: { "zookeeper.session.timeout.ms": 6000 } });
  try {
    console.log(`idle      brokers use ${(await residentMib(cluster)).join(", ")} MiB`);
    for (const groupProtocol of ["classic", "consumer"] as const) {
      await measureGroups(cluster, groupProtocol, { groups: 200, members: 3, partitions: 6 }, heartbeatMs);
      await measureGroups(cluster, groupProtocol, { groups: 1, members: 200, partitions: 400 }, heartbeatMs);
    }
  } finally {
    await cluster.stop();
  }
}

const { values } = parseArgs({
  options: {
    "heartbeat-ms": { type: "string", default: "3000" },
    /** 0: no reload. */
    positions: { type: "string", default: "1000000" },
    "only-reload": { type: "boolean", default: false },
  },
});
console.log(
  `node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), brokers, ZooKeeper and members all on them`,
);
if (!values["only-reload"]) await measureMembership(Number(values["heartbeat-ms"]));
if (Number(values.positions) > 0) await measureReload(Number(values.positions));
