import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow } from "../../client/index.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import { TestCluster } from "../support/cluster.ts";
import { RawConnection } from "../support/raw-request.ts";
import { waitUntil } from "../support/wait-until.ts";

// KIP-951, as any client sees it: who leads is told with a refusal that is about the leader, and with nothing else.

const topic = "hinted";
let cluster: TestCluster;
let admin: Admin;
let topicId: string;
/** Epoch 0 was led by broker 1, the present one by broker 2. */
let leaderEpoch: number;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
  orThrow(await admin.createTopics([{ name: topic, assignment: [[1, 2, 3]] }]));
  await cluster.shutDown(1);
  await cluster.startBroker(1);
  await waitUntil("all brokers to know who leads", async () => {
    const told = await Promise.all(cluster.ids.map(async (id) => leaderAt(id)));
    return told.every(({ leader, isr }) => leader === 2 && isr === 3);
  });
  leaderEpoch = (await leaderAt(3)).epoch;
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function leaderAt(broker: number) {
  await using one = new Admin({ bootstrap: cluster.address(broker) });
  const [described] = orThrow(await one.describeTopics([topic]));
  topicId = described?.topicId ?? zeroTopicId;
  const partition = described?.partitions[0];
  return { leader: partition?.leader, epoch: partition?.leaderEpoch ?? -1, isr: partition?.isr.length };
}

async function produce(broker: number, version: number, { index = 0, records = batch() } = {}) {
  const connection = await RawConnection.open(cluster.port(broker));
  const topicData = [{ name: topic, partitionData: [{ index, records: [records] }] }];
  const answer = await connection.request(apis.produce, version, { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData });
  connection.close();
  const { errorCode, currentLeader } = answer.responses[0]!.partitionResponses[0]!;
  return { errorCode, currentLeader, nodeEndpoints: answer.nodeEndpoints };
}

async function fetch(broker: number, version: number, { currentLeaderEpoch = -1, fetchOffset = 0, partition = 0 } = {}) {
  const connection = await RawConnection.open(cluster.port(broker));
  const asked = { partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch: -1, logStartOffset: -1, partitionMaxBytes: 1_000_000 };
  const answer = await connection.request(apis.fetch, version, {
    ...{
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
    },
    ...{ isolationLevel: 0, sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], rackId: "" },
    topics: [{ topic, topicId, partitions: [{ ...asked, replicaDirectoryId: zeroTopicId }] }],
  });
  connection.close();
  const { errorCode, currentLeader } = answer.responses[0]!.partitions[0]!;
  return { errorCode, currentLeader, nodeEndpoints: answer.nodeEndpoints };
}

function batch(): Buffer {
  return encodeBatch([{ key: null, value: Buffer.from("x"), headers: [], timestampMs: Date.now() }]);
}

const nobody = { leaderId: -1, leaderEpoch: -1 };
const hint = () => ({
  currentLeader: { leaderId: 2, leaderEpoch },
  nodeEndpoints: [{ nodeId: 2, host: "127.0.0.1", port: cluster.port(2), rack: null }],
});

describe("who leads, and where, is told", () => {
  test.each([1, 3])("by broker %d, which does not, since Produce 10 and Fetch 16", async (broker) => {
    for (const version of [10, 11]) expect(await produce(broker, version)).toEqual({ errorCode: "NOT_LEADER_OR_FOLLOWER", ...hint() });
    for (const version of [16, 17]) expect(await fetch(broker, version)).toEqual({ errorCode: "NOT_LEADER_OR_FOLLOWER", ...hint() });
    const silent = { errorCode: "NOT_LEADER_OR_FOLLOWER", currentLeader: nobody, nodeEndpoints: [] };
    expect(await produce(broker, 9)).toEqual(silent);
    expect(await fetch(broker, 15)).toEqual(silent);
  });

  test("by the leader itself to a reader that knows an older epoch", async () => {
    expect(leaderEpoch).toBeGreaterThan(0);
    const asked = { currentLeaderEpoch: leaderEpoch - 1 };
    expect(await fetch(2, 17, asked)).toEqual({ errorCode: "FENCED_LEADER_EPOCH", ...hint() });
    expect(await fetch(2, 15, asked)).toEqual({ errorCode: "FENCED_LEADER_EPOCH", currentLeader: nobody, nodeEndpoints: [] });
  });
});

test("nothing is told with an answer, nor with refusals that are not about the leader", async () => {
  const nothing = { currentLeader: nobody, nodeEndpoints: [] };
  expect(await produce(2, 11)).toEqual({ errorCode: "NONE", ...nothing });
  expect(await fetch(2, 17)).toEqual({ errorCode: "NONE", ...nothing });
  expect(await fetch(2, 17, { currentLeaderEpoch: leaderEpoch + 1 })).toEqual({ errorCode: "UNKNOWN_LEADER_EPOCH", ...nothing });
  expect(await fetch(2, 17, { fetchOffset: 1_000 })).toEqual({ errorCode: "OFFSET_OUT_OF_RANGE", ...nothing });
  expect(await fetch(3, 17, { partition: 7 })).toEqual({ errorCode: "UNKNOWN_TOPIC_OR_PARTITION", ...nothing });
  expect(await produce(3, 11, { index: 7 })).toEqual({ errorCode: "UNKNOWN_TOPIC_OR_PARTITION", ...nothing });
  const damaged = batch();
  damaged[damaged.length - 1]! ^= 1;
  expect(await produce(2, 11, { records: damaged })).toEqual({ errorCode: "CORRUPT_MESSAGE", ...nothing });
});
