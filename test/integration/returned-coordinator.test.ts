import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { TestCluster } from "../support/cluster.ts";
import { RawConnection } from "../support/raw-request.ts";
import { waitUntil } from "../support/wait-until.ts";

const topic = "read";
const groupId = "g";
const offsetsTopic = "__consumer_offsets";
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false, "offsets.topic.num.partitions": 1 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: topic, partitions: 1, replicationFactor: 3 }]));
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function coordinators() {
  const [described] = orThrow(await admin.describeTopics([offsetsTopic]));
  const { leader = -1, replicas = [], isr = [] } = described?.partitions[0] ?? {};
  return { leader, preferred: replicas[0] ?? -1, isWhole: isr.length === 3 };
}

/** From outside the group, as a tool or a consumer with partitions of its own choice commits. */
async function commit(connection: RawConnection, offset: number) {
  const partition = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: "" };
  const { topics } = await connection.request(apis.offsetCommit, 8, {
    ...{ groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 },
    topics: [{ name: topic, topicId: zeroTopicId, partitions: [partition] }],
  });
  return topics[0]?.partitions[0]?.errorCode;
}

async function committed(): Promise<number | undefined> {
  return (await admin.listGroupOffsets(groupId)).find((one) => one.topic === topic)?.offset;
}

test("a coordinator that comes back takes no commit over a connection that is older than its return, and closes it", async () => {
  const anyBroker = await RawConnection.open(cluster.port(1));
  let first = -1;
  let preferred = -1;
  await waitUntil("the group to have a coordinator", async () => {
    const found = await anyBroker.request(apis.findCoordinator, 4, { key: groupId, keyType: 0, coordinatorKeys: [groupId] });
    const known = await coordinators();
    first = known.leader;
    preferred = known.preferred;
    return found.coordinators[0]?.errorCode === "NONE" && first > 0 && known.isWhole;
  });
  anyBroker.close();
  expect(first).toBe(preferred);
  const old = await RawConnection.open(cluster.port(first));
  await waitUntil("the coordinator to serve", async () => (await commit(old, 56)) === "NONE");

  cluster.pause(first);
  let second = first;
  await waitUntil("another one to coordinate", async () => {
    second = (await coordinators()).leader;
    return second > 0 && second !== first;
  });
  const there = await RawConnection.open(cluster.port(second));
  await waitUntil("it to take the next commit", async () => (await commit(there, 86)) === "NONE");
  there.close();
  cluster.resume(first);
  await waitUntil("the first one to have caught up", async () => (await coordinators()).isWhole);
  await waitUntil("the first one to coordinate again", async () => {
    await admin.electLeaders("preferred", [{ topic: offsetsTopic, partition: 0 }]);
    return (await coordinators()).leader === first;
  });
  const fresh = await RawConnection.open(cluster.port(first));
  await waitUntil("it to serve again", async () => (await commit(fresh, 90)) === "NONE");

  expect(await commit(old, 57), "sent who knows when").toBe("NOT_COORDINATOR");
  await expect(commit(old, 58)).rejects.toThrow("closed");
  expect(await committed()).toBe(90);
  expect(await commit(fresh, 91)).toBe("NONE");
  expect(await committed()).toBe(91);
  fresh.close();
});
