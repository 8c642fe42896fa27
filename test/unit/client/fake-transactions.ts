import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { AddPartitionsToTxnRequest } from "../../../protocol/messages/add-partitions-to-txn.ts";
import type { EndTxnRequest } from "../../../protocol/messages/end-txn.ts";
import type { InitProducerIdRequest } from "../../../protocol/messages/init-producer-id.ts";
import type { ProduceRequest } from "../../../protocol/messages/produce.ts";
import type { TxnOffsetCommitRequest } from "../../../protocol/messages/txn-offset-commit.ts";
import { encodeEndMarker } from "../../../protocol/records/end-marker.ts";
import type { FakeCluster, Intercepted, Interception } from "./fake-cluster.ts";

/** A coordinator of transactions, and of groups' offsets in them, for one transactional id: by Kafka's rules, as far as tests need them. */
export class FakeTransactions {
  readonly #cluster: FakeCluster;
  readonly #version: 1 | 2;
  /** Where it is. */
  broker = 1;
  producerId = 7000;
  epoch = -1;
  state: "empty" | "ongoing" | "commit" | "abort" = "empty";
  readonly partitions = new Set<string>();
  readonly committed = new Map<string, number>();
  readonly #pending = new Map<string, number>();
  /** What was asked for, in order: `add t-0 t-1`, `commit 3`. */
  readonly asked: string[] = [];
  /** Instead of an answer, the first that is not undefined; the request itself is not carried out. */
  refuse: (api: string) => KafkaErrorCode | undefined = () => undefined;
  /** What becomes of the answer of one that was carried out. */
  lose: (api: string) => "ignore" | "close" | undefined = () => undefined;

  constructor(cluster: FakeCluster, version: 1 | 2) {
    this.#cluster = cluster;
    this.#version = version;
    if (version === 2) cluster.features = { "transaction.version": 2 };
    cluster.intercept = (seen) => this.handle(seen);
  }

  handle({ api, request, broker, version }: Intercepted): Interception {
    if (api === "FindCoordinator") {
      const found = { key: (request as { coordinatorKeys: string[] }).coordinatorKeys[0], nodeId: this.broker, host: "fake" };
      const one = { ...found, port: 9000 + this.broker, errorCode: "NONE", errorMessage: null };
      return { throttleTimeMs: 0, ...one, coordinators: [one] };
    }
    if (api === "Produce") return this.#produce(request, broker, version);
    if (!["InitProducerId", "AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"].includes(api)) return undefined;
    const refused = broker === this.broker ? this.refuse(api) : "NOT_COORDINATOR";
    const answer = this.#answer(api, request, refused, version);
    return (refused === undefined ? this.lose(api) : undefined) ?? answer;
  }

  #answer(api: string, request: never, refused: KafkaErrorCode | undefined, version: number): object {
    switch (api) {
      case "InitProducerId":
        return this.#init(request, refused);
      case "AddPartitionsToTxn":
        return this.#add(request, refused);
      case "AddOffsetsToTxn":
        if (refused === undefined) this.asked.push(`add-group ${(request as { groupId: string }).groupId}`);
        this.state = "ongoing";
        return { throttleTimeMs: 0, errorCode: refused ?? "NONE" };
      case "TxnOffsetCommit":
        return this.#offsets(request, refused, version);
      default:
        return this.#end(request, refused, version);
    }
  }

  #init({ producerId, producerEpoch }: InitProducerIdRequest, refused: KafkaErrorCode | undefined): object {
    const isFenced = producerId >= 0 && (producerId !== this.producerId || producerEpoch !== this.epoch);
    const errorCode = refused ?? (isFenced ? "PRODUCER_FENCED" : "NONE");
    if (errorCode === "NONE") {
      this.epoch++;
      this.asked.push(producerId >= 0 ? "raise" : "init");
    }
    const ongoing = { ongoingTxnProducerId: -1, ongoingTxnProducerEpoch: -1 };
    return { throttleTimeMs: 0, errorCode, producerId: this.producerId, producerEpoch: this.epoch, ...ongoing };
  }

  #add(request: AddPartitionsToTxnRequest, refused: KafkaErrorCode | undefined): object {
    const { v3AndBelowTopics: topics, v3AndBelowProducerEpoch: epoch } = request;
    const code = refused ?? (epoch === this.epoch ? "NONE" : "PRODUCER_FENCED");
    const keys = topics.flatMap(({ name, partitions }) => partitions.map((partition) => `${name}-${partition}`));
    if (code === "NONE") {
      this.asked.push(`add ${keys.join(" ")}`);
      this.state = "ongoing";
      for (const key of keys) this.partitions.add(key);
    }
    const resultsByTopicV3AndBelow = topics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: code })),
    }));
    return { throttleTimeMs: 0, errorCode: "NONE", resultsByTransaction: [], resultsByTopicV3AndBelow };
  }

  #offsets({ topics, groupId }: TxnOffsetCommitRequest, refused: KafkaErrorCode | undefined, version: number): object {
    const errorCode = refused ?? "NONE";
    if (refused === undefined) {
      this.asked.push(`offsets ${groupId} @${version}`);
      this.state = "ongoing";
    }
    for (const { name, partitions } of topics)
      for (const { partitionIndex, committedOffset } of partitions) this.#pending.set(`${name}-${partitionIndex}`, committedOffset);
    const answered = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    }));
    return { throttleTimeMs: 0, topics: answered };
  }

  #end({ producerEpoch, committed }: EndTxnRequest, refused: KafkaErrorCode | undefined, version: number): object {
    const how = committed ? "commit" : "abort";
    const isRetry = this.state === how && producerEpoch === this.epoch - (this.#version === 2 ? 1 : 0);
    const isNow = producerEpoch === this.epoch && (this.state === "ongoing" || (this.#version === 2 && how === "abort"));
    const wrong = producerEpoch === this.epoch ? "INVALID_TXN_STATE" : "PRODUCER_FENCED";
    const errorCode = refused ?? (isRetry || isNow ? "NONE" : wrong);
    if (errorCode === "NONE") this.asked.push(`${how} ${producerEpoch}${isRetry && !isNow ? " again" : ""}`);
    if (errorCode === "NONE" && isNow) {
      if (this.#version === 2) this.epoch++;
      this.state = how;
      this.#mark(how);
    }
    const next = version >= 5 && errorCode === "NONE" ? { producerId: this.producerId, producerEpoch: this.epoch } : null;
    return { throttleTimeMs: 0, errorCode, ...(next ?? { producerId: -1, producerEpoch: -1 }) };
  }

  #mark(kind: "commit" | "abort"): void {
    for (const key of this.partitions) {
      const at = key.lastIndexOf("-");
      const partition = this.#cluster.topics.get(key.slice(0, at))?.partitions[Number(key.slice(at + 1))];
      partition?.append(encodeEndMarker({ producerId: this.producerId, producerEpoch: this.epoch, coordinatorEpoch: 0, kind }, 0));
    }
    this.partitions.clear();
    if (kind === "commit") for (const [key, offset] of this.#pending) this.committed.set(key, offset);
    this.#pending.clear();
  }

  #produce(request: ProduceRequest, broker: number, version: number): object {
    for (const { name, partitionData } of request.topicData) {
      for (const { index } of partitionData) {
        const key = `${name}-${index}`;
        if (this.#version === 2) {
          this.partitions.add(key);
          this.state = "ongoing";
        }
        this.asked.push(`produce ${key} @${version}`);
      }
    }
    const verify = (topic: string, index: number) =>
      this.refuse("Produce") ?? (this.partitions.has(`${topic}-${index}`) ? null : "INVALID_TXN_STATE");
    return this.#cluster.produce(request, broker, verify);
  }
}
