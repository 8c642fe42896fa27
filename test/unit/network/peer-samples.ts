import type { PeerMessages } from "../../../protocol/peer/messages.ts";

const topicId = "abcdefghijklmnopqrstuv";

/** One whole message of every kind, both ways. */
export const peerSamples: PeerMessages = {
  "replica-fetch": {
    request: {
      brokerId: 2,
      brokerEpoch: 4_294_967_301,
      session: { id: 3, sequence: 17, isLastHeard: true },
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 10_485_760,
      forgotten: [{ topicId, partition: 4 }],
      partitions: [{ topicId, partition: 3, leaderEpoch: 7, fetchOffset: 2 ** 53 - 1, lastFetchedEpoch: -1, logStartOffset: 0 }],
    },
    response: {
      error: "NONE",
      message: "",
      partitions: [
        {
          topicId,
          partition: 3,
          error: "NONE",
          leaderEpoch: 7,
          highWatermark: 12,
          logStartOffset: 0,
          diverging: null,
          epochs: [{ epoch: 7, startOffset: 3 }],
          recordsBytes: 100,
        },
        {
          topicId,
          partition: 4,
          error: "FENCED_LEADER_EPOCH",
          leaderEpoch: 8,
          highWatermark: -1,
          logStartOffset: -1,
          diverging: { epoch: 6, endOffset: 99 },
          epochs: [],
          recordsBytes: 0,
        },
      ],
    },
  },
  "metadata-update": {
    request: {
      controllerId: 2,
      controllerEpoch: 5,
      brokerEpoch: 77,
      sequence: 3,
      full: true,
      more: false,
      brokers: [
        {
          id: 1,
          epoch: 76,
          rack: null,
          endpoints: [{ listener: "PLAINTEXT", host: "::1", port: 9092 }],
          peer: { host: "::1", port: 9093 },
        },
        { id: 2, epoch: 77, rack: "r", endpoints: [], peer: { host: "b", port: 9093 } },
      ],
      leavingBrokers: [2],
      suspectedBrokers: [],
      startingLeaders: [{ brokerId: 2, topicId, fromPartition: 3 }],
      topics: [
        {
          name: "orders",
          id: topicId,
          partitions: [
            {
              partition: 0,
              leader: -1,
              leaderEpoch: 2,
              isr: [1],
              isrEpochs: { "1": 5 },
              replicas: [1, 2],
              stateVersion: 4,
              leaderRecovering: true,
            },
          ],
          config: { "retention.ms": "1000" },
        },
      ],
      deletedTopics: [{ name: "old", id: topicId }],
      brokerConfigs: { "": { "message.max.bytes": "5" }, "2": {} },
      offlineReplicas: [{ brokerId: 2, reason: "a disk", replicas: [{ topicId, partition: 0 }] }],
    },
    response: { error: "NONE", message: "", keptTopics: [topicId] },
  },
  forward: {
    request: { apiKey: 19, apiVersion: 7, clientId: null, listener: "PLAINTEXT" },
    response: { error: "NOT_CONTROLLER", message: "ask 2" },
  },
  "controlled-shutdown": {
    request: { brokerId: 2, brokerEpoch: 9 },
    response: { error: "NONE", message: "", remaining: [{ topic: "orders", partition: 0 }], mayMoveLater: true },
  },
  "hand-over": {
    request: { controllerId: 2, controllerEpoch: 5, maxWaitMs: 100, partitions: [{ topicId, partition: 0, leaderEpoch: 2 }] },
    response: { error: "NONE", message: "" },
  },
  "isr-changed": {
    request: {
      brokerId: 2,
      brokerEpoch: 9,
      partitions: [{ topicId, partition: 0, leaderEpoch: 2, isr: [1, 2], isrEpochs: { "1": 9, "2": -1 }, stateVersion: 5 }],
    },
    response: { error: "STALE_BROKER_EPOCH", message: "" },
  },
  "replicas-offline": {
    request: {
      brokerId: 2,
      brokerEpoch: 9,
      controllerEpoch: 5,
      sequence: 0,
      offline: [{ reason: "log directory /data/1 is offline: ENOSPC", replicas: [{ topicId, partition: 0 }] }],
    },
    response: { error: "STALE_CONTROLLER_EPOCH", message: "" },
  },
  heartbeat: { request: { brokerId: 2, waitMs: 250 }, response: { brokerEpoch: 77, isStuck: false } },
  "controller-unreachable": {
    request: { brokerId: 2, controllerId: 3, controllerBrokerEpoch: 78 },
    response: { agrees: true },
  },
  "committed-ends": {
    request: { brokerId: 2, partitions: [{ topicId, partition: 3 }] },
    response: { ends: [12, -1] },
  },
  "join-transaction": {
    request: {
      brokerId: 2,
      transactionalId: "payments-1",
      producerId: 4000,
      producerEpoch: 3,
      adds: true,
      partitions: [{ topic: "orders", partition: 3 }],
    },
    response: { errors: ["TRANSACTION_ABORTABLE"] },
  },
  "write-markers": {
    request: {
      brokerId: 2,
      markers: [
        {
          producerId: 4000,
          producerEpoch: 4,
          coordinatorEpoch: 7,
          commits: true,
          transactionVersion: 2,
          partitions: [{ topicId, partition: 3 }],
        },
      ],
    },
    response: { errors: [["NOT_LEADER_OR_FOLLOWER"]] },
  },
};
