import { expect, test } from "vitest";
import { LogOffline } from "../../../broker/log/log-contract.ts";
import { Admissions } from "../../../broker/partition/admissions.ts";
import { Deadlines } from "../../../broker/partition/deadlines.ts";
import type { PartitionEnvironment } from "../../../broker/partition/environment.ts";
import { Followership } from "../../../broker/partition/followership.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { ReplicaFetchedPartition, ReplicaFetchPartition } from "../../../protocol/peer/messages.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { MemoryLog, producedBatch, testSettings } from "../../support/memory-log.ts";
import { parsedBatch } from "../../support/parsed-batch.ts";
import { testPartitionConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const topicId = "AAAAAAAAAAAAAAAAAAAAAQ";
const record = {
  partition: 0,
  leader: 2,
  leaderEpoch: 4,
  isr: [2],
  replicas: [2, 1],
  isrEpochs: {},
  stateVersion: 0,
  leaderRecovering: false,
};

function setUp() {
  const clock = new ManualClock();
  const environment: PartitionEnvironment = {
    config: testPartitionConfig,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    cluster: {
      brokerEpoch: () => 1,
      hasReplica: () => true,
      isSuspected: () => false,
      doubtLeaderships: () => {},
      isSilent: () => false,
      stopsAsWeDo: () => false,
      registration: () => 1,
      peerAddress: () => null,
      ownEpoch: 1,
      sessionProvedUntilMs: 0,
    },
    isrStore: { writeIsr: async () => ({ kind: "unknown" }) },
    health: { report: () => {} },
    deadlines: new Deadlines(clock),
    admissions: new Admissions({ clock, codecs: codecsAside, plainBytesMax: 2 ** 20 }),
    news: { committed: () => {}, written: () => {}, leaderMoved: () => {}, follows: () => {}, readHere: () => {}, leads: () => {} },
    futureTimestamps: { look: () => {} },
    lowerHighWatermark: async () => {},
  };
  const log = new MemoryLog(testSettings);
  const failures: string[] = [];
  const followership = new Followership(
    {
      identity: { topic: "t", topicId, partition: 0, key: "t-0" },
      log,
      settings: () => testSettings,
      environment,
      onDataDiverged: (reason) => failures.push(reason),
      onLogOffline: () => failures.push("offline"),
      onBegunAnew: () => {},
    },
    record,
    0,
  );
  const asked = (): ReplicaFetchPartition => {
    const fetch = followership.nextFetch();
    if (fetch === null) throw new Error("nothing to ask");
    return fetch;
  };
  return { log, followership, asked, failures };
}

/** The leader's log, from which answers are made. */
function leadersRecords(...counts: number[]): { records: Buffer; endOffset: number } {
  const leader = new MemoryLog(testSettings);
  const batches = counts.map((count) => {
    const batch = producedBatch(count);
    leader.appendAsLeader(parsedBatch(batch), 4, 0);
    return batch;
  });
  return { records: Buffer.concat(batches), endOffset: leader.endOffset };
}

function answer(fields: Partial<ReplicaFetchedPartition> = {}): ReplicaFetchedPartition {
  return {
    topicId,
    partition: 0,
    error: "NONE",
    leaderEpoch: 4,
    highWatermark: 0,
    logStartOffset: 0,
    diverging: null,
    epochs: [],
    recordsBytes: 0,
    ...fields,
  };
}

test("what came is asked past only once it is written, for the fetch acknowledges it", async () => {
  const { log, followership, asked } = setUp();
  log.isHeld = true;
  const applying = followership.applyFetched(asked(), answer({ highWatermark: 2 }), leadersRecords(2).records);
  await settled();
  expect(followership.nextFetch()).toBeNull();
  expect(followership.highWatermark).toBe(0);
  log.release();
  expect(await applying).toBe("applied");
  expect(asked().fetchOffset).toBe(2);
  expect(asked().lastFetchedEpoch).toBe(4);
  expect(followership.highWatermark).toBe(2);
});

test("an answer to a question that was asked of an earlier end is dropped", async () => {
  const { log, followership, asked } = setUp();
  const first = asked();
  const { records } = leadersRecords(2);
  await followership.applyFetched(first, answer(), Buffer.from(records));
  expect(await followership.applyFetched(first, answer(), Buffer.from(records))).toBe("ignored");
  expect(await followership.applyFetched(first, answer({ diverging: { epoch: -1, endOffset: 0 } }), Buffer.alloc(0))).toBe("ignored");
  expect(log.endOffset).toBe(2);
});

test("what compaction left at the leader is appended behind a gap, and the high watermark stays within the log", async () => {
  const { log, followership, asked } = setUp();
  const ahead = leadersRecords(2, 3).records.subarray(producedBatch(2).length);
  const epochs = [
    { epoch: 3, startOffset: 0 },
    { epoch: 4, startOffset: 1 },
  ];
  expect(await followership.applyFetched(asked(), answer({ highWatermark: 9, epochs }), ahead)).toBe("applied");
  expect(log.endOffset).toBe(5);
  expect(log.epochsFrom(0), "epochs begin where they did at the leader, not where their first record that is left is").toStrictEqual(
    epochs,
  );
  expect(followership.highWatermark).toBe(5);
  expect(asked().fetchOffset).toBe(5);
});

test("what begins below the log's end, or is damaged, is not appended", async () => {
  const { log, followership, asked } = setUp();
  const damaged = leadersRecords(2).records;
  damaged.writeUInt8((damaged.at(-1) ?? 0) ^ 1, damaged.length - 1);
  expect(await followership.applyFetched(asked(), answer(), damaged)).toBe("back-off");
  expect(await followership.applyFetched(asked(), answer(), Buffer.from("too short"))).toBe("back-off");
  expect(log.endOffset).toBe(0);
  expect(await followership.applyFetched(asked(), answer(), leadersRecords(2).records)).toBe("applied");
  expect(await followership.applyFetched(asked(), answer(), leadersRecords(2).records), "asked for offset 2, got 0").toBe("back-off");
  expect(log.endOffset).toBe(2);
});

test("a leader whose log starts nowhere moves nothing", async () => {
  const { log, followership, asked, failures } = setUp();
  const { records } = leadersRecords(2);
  expect(await followership.applyFetched(asked(), answer({ highWatermark: 2, logStartOffset: -1 }), records)).toBe("applied");
  expect(await followership.applyFetched(asked(), answer({ highWatermark: -1, logStartOffset: -1 }), Buffer.alloc(0))).toBe("applied");
  expect([log.startOffset, log.endOffset, followership.highWatermark, failures]).toStrictEqual([0, 2, 2, []]);
});

test("a leader that has the log cut inside a batch that is committed is no leader to follow", async () => {
  const { log, followership, asked, failures } = setUp();
  expect(await followership.applyFetched(asked(), answer({ highWatermark: 2 }), leadersRecords(4).records)).toBe("applied");
  const diverging = { epoch: 4, endOffset: 3 };
  expect(await followership.applyFetched(asked(), answer({ diverging }), Buffer.alloc(0))).toBe("ended");
  expect([log.endOffset, followership.highWatermark]).toStrictEqual([0, 0]);
  expect(failures.length).toBe(1);
});

test("one that had it cut, and leads no more when that is done, is not reported", async () => {
  const { log, followership, asked, failures } = setUp();
  expect(await followership.applyFetched(asked(), answer({ highWatermark: 2 }), leadersRecords(4).records)).toBe("applied");
  const cut = log.truncateTo.bind(log);
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  log.truncateTo = (offset) => held.then(() => cut(offset));
  const applying = followership.applyFetched(asked(), answer({ diverging: { epoch: 4, endOffset: 3 } }), Buffer.alloc(0));
  await settled();
  const ended = followership.end();
  goOn();
  expect(await applying).toBe("ended");
  await ended;
  expect([log.endOffset, followership.highWatermark, failures]).toStrictEqual([0, 0, []]);
});

test("after its end nothing is asked and nothing applied", async () => {
  const { log, followership, asked } = setUp();
  const question = asked();
  await followership.end();
  expect(followership.nextFetch()).toBeNull();
  expect(await followership.applyFetched(question, answer(), leadersRecords(2).records)).toBe("ended");
  expect(log.endOffset).toBe(0);
});

test("ending waits until what is under way is done with the log", async () => {
  const { log, followership, asked } = setUp();
  log.isHeld = true;
  const applying = followership.applyFetched(asked(), answer(), leadersRecords(2).records);
  let ended = false;
  void followership.end().then(() => {
    ended = true;
  });
  await settled();
  expect(ended).toBe(false);
  log.release();
  expect(await applying).toBe("ended");
  await settled();
  expect(ended).toBe(true);
});

test("a log that fails is reported, once and by name", async () => {
  const { log, followership, asked, failures } = setUp();
  log.isHeld = true;
  const applying = followership.applyFetched(asked(), answer(), leadersRecords(2).records);
  log.failWith(new LogOffline("disk full"));
  expect(await applying).toBe("ended");
  expect(failures).toStrictEqual(["offline"]);
});

test("a replica that is being added does not hold on to what it took for committed at an earlier time; once in sync it does", async () => {
  const adding = { replicas: [2, 1], reassignment: { adding: [1], removing: [] } };
  const diverging = answer({ diverging: { epoch: 4, endOffset: 0 }, logStartOffset: 0 });
  const outcomes: (readonly [end: number, failures: number])[] = [];
  for (const isr of [[2], [2, 1]]) {
    const { log, followership, asked, failures } = setUp();
    await followership.applyFetched(asked(), answer({ highWatermark: 2 }), leadersRecords(2, 1).records);
    expect([log.endOffset, followership.highWatermark]).toEqual([3, 2]);
    followership.note({ ...record, ...adding, isr });
    await followership.applyFetched(asked(), diverging, Buffer.alloc(0));
    outcomes.push([log.endOffset, failures.length]);
  }
  expect(outcomes).toEqual([
    [0, 0],
    [3, 1],
  ]);
});
