import type { ClientRuntime } from "../../../client/base/client-runtime.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { Link } from "../../../protocol/base/transport.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { messagesByKey } from "../../../protocol/messages/apis.ts";
import type { FetchRequest, FetchResponse } from "../../../protocol/messages/fetch.ts";
import { readRequestHeaderRest, readRequestStart, writeResponseHeader } from "../../../protocol/messages/headers.ts";
import type { ListOffsetsRequest, ListOffsetsResponse } from "../../../protocol/messages/list-offsets.ts";
import type { MetadataRequest, MetadataResponse } from "../../../protocol/messages/metadata.ts";
import type { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse } from "../../../protocol/messages/offset-for-leader-epoch.ts";
import type { ProduceRequest, ProduceResponse } from "../../../protocol/messages/produce.ts";
import { lastOffsetAt } from "../../../protocol/records/batch-header.ts";
import { decompressRecords } from "../../../protocol/records/compression.ts";
import { decodeBatch } from "../../../protocol/records/decode-batch.ts";
import type { RecordToEncode } from "../../../protocol/records/record.ts";
import { FrameSplitter } from "../../../protocol/wire/frame-splitter.ts";
import { Reader } from "../../../protocol/wire/reader.ts";
import { Writer } from "../../../protocol/wire/writer.ts";
import { divergence, epochEnd, FakePartition } from "./fake-partition.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryTransport } from "./memory-transport.ts";

interface FakeTopic {
  topicId: string;
  partitions: FakePartition[];
}

export interface Intercepted {
  readonly api: string;
  readonly version: number;
  readonly broker: number;
  readonly request: never;
}

/**
 * What becomes of a request: `undefined`, the usual; "ignore", never answered; "close", the link ends; a function answers when it likes;
 * else this answer.
 */
export type Interception = object | ((respond: (body: object) => void) => void) | "ignore" | "close" | undefined;

/** Brokers that know just enough of the protocol, on one clock, scripted by tests. Broker 1 is at fake:9001 and so on. */
export class FakeCluster {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport(this.clock);
  readonly runtime: ClientRuntime = { clock: this.clock, transport: this.transport, random: seededRandom(7), log: silentLogger };
  readonly topics = new Map<string, FakeTopic>();
  readonly links = new Map<number, Set<Link>>();
  readonly bootstrap: string;
  /** How a client gets to it. */
  readonly options: { readonly bootstrap: string; readonly runtime: ClientRuntime };
  /** Every request that arrived: `Produce@2`. */
  readonly requests: string[] = [];
  /** Brokers that hold their links but read nothing, as when stopped, and what came for them meanwhile. */
  #nextProducerId = 4000;
  readonly #hanging = new Map<number, (() => void)[]>();
  intercept: (seen: Intercepted) => Interception = () => undefined;
  /** Whoever is asked for what another one leads says who does, and where that one is. */
  hints = false;
  /** Highest versions that the brokers admit to, by API name. */
  versionMax: Record<string, number> = {};
  /** Finalized, with their levels. */
  features: Record<string, number> = {};

  constructor(brokerIds: readonly number[] = [1, 2]) {
    for (const broker of brokerIds) this.start(broker);
    this.bootstrap = brokerIds.map((broker) => `fake:${9000 + broker}`).join(",");
    this.options = { bootstrap: this.bootstrap, runtime: this.runtime };
  }

  start(broker: number): void {
    const links = new Set<Link>();
    this.links.set(broker, links);
    void this.transport.listen({ host: "fake", port: 9000 + broker }, (link) => {
      links.add(link);
      const splitter = new FrameSplitter({ frameMaxBytes: 1 << 28 });
      return {
        onData: (chunk) =>
          splitter.push(chunk, (frame) => {
            const held = this.#hanging.get(broker);
            if (held === undefined) this.#onFrame(broker, link, frame);
            else held.push(() => this.#onFrame(broker, link, frame));
          }),
        onClose: () => links.delete(link),
      };
    });
  }

  /** Its links break; with `refuse`, nothing can connect any more. */
  async kill(broker: number): Promise<void> {
    const listener = await this.transport.listen({ host: "fake", port: 9000 + broker }, () => ({ onData: () => {}, onClose: () => {} }));
    await listener.close();
    for (const link of [...(this.links.get(broker) ?? [])]) link.destroy();
    this.links.delete(broker);
  }

  hang(broker: number): void {
    this.#hanging.set(broker, []);
  }

  /** It reads what came meanwhile, in order, even from links that are closed by now. */
  wake(broker: number): void {
    const held = this.#hanging.get(broker) ?? [];
    this.#hanging.delete(broker);
    for (const read of held) read();
  }

  topic(name: string, leaders: readonly number[], topicId = Buffer.from(name.padEnd(16, "_")).toString("base64url")): FakePartition[] {
    const partitions = leaders.map((leader) => new FakePartition(leader));
    this.topics.set(name, { topicId, partitions });
    return partitions;
  }

  moveLeader(name: string, partition: number, leader: number): void {
    const found = this.topics.get(name)?.partitions[partition] as FakePartition;
    found.leader = leader;
    found.leaderEpoch++;
  }

  #onFrame(broker: number, link: Link, frame: Buffer): void {
    const reader = new Reader(frame);
    const { apiKey, apiVersion, correlationId } = readRequestStart(reader);
    const pair = [...messagesByKey.values()].find(({ request }) => request.apiKey === apiKey);
    if (pair === undefined) throw new Error(`unknown API ${apiKey}`);
    const respond = (body: object, version = apiVersion) => {
      const writer = new Writer();
      writer.int32(0);
      writeResponseHeader(writer, apiKey, correlationId, pair.response.isFlexible(version));
      pair.response.write(writer, body, version);
      const bytes = Buffer.concat(writer.chunks());
      bytes.writeInt32BE(bytes.length - 4, 0);
      link.write([bytes]);
    };
    const versionMax = this.versionMax[pair.name] ?? pair.request.versions[1];
    if (pair.name === "ApiVersions" && apiVersion > versionMax)
      return respond({ ...this.#apiVersions(), errorCode: "UNSUPPORTED_VERSION" }, 0);
    readRequestHeaderRest(reader, pair.request.isFlexible(apiVersion));
    const request = pair.request.read(reader, apiVersion);
    this.requests.push(`${pair.name}@${broker}`);
    const scripted = this.intercept({ api: pair.name, version: apiVersion, broker, request: request as never });
    if (scripted === "ignore") return;
    if (scripted === "close") return link.destroy();
    if (typeof scripted === "function") return scripted(respond);
    if (scripted !== undefined) return respond(scripted);
    this.#answer(pair.name, request, broker, apiVersion, respond);
  }

  #answer(api: string, request: unknown, broker: number, version: number, respond: (body: object) => void): void {
    switch (api) {
      case "ApiVersions":
        return respond(this.#apiVersions());
      case "Metadata":
        return respond(this.metadata(request as MetadataRequest));
      case "Produce":
        if ((request as ProduceRequest).acks === 0) {
          this.produce(request as ProduceRequest, broker);
          return;
        }
        return respond(this.produce(request as ProduceRequest, broker));
      case "InitProducerId":
        return respond(this.newProducer());
      case "Fetch": {
        const asked = request as FetchRequest;
        const answer = this.fetch(asked, broker, version);
        const isEmpty = answer.responses.every(({ partitions }) =>
          partitions.every((p) => p.errorCode === "NONE" && p.records?.[0]?.length === 0 && p.divergingEpoch.endOffset < 0),
        );
        if (!isEmpty) return respond(answer);
        this.clock.schedule(asked.maxWaitMs, () => respond(this.fetch(asked, broker, version)));
        return;
      }
      case "ListOffsets":
        return respond(this.listOffsets(request as ListOffsetsRequest, broker));
      case "OffsetForLeaderEpoch":
        return respond(this.epochEnds(request as OffsetForLeaderEpochRequest, broker));
      default:
        throw new Error(`no script for ${api}`);
    }
  }

  #apiVersions(): object {
    const apiKeys = [...messagesByKey.values()].map(({ name, request }) => ({
      apiKey: request.apiKey,
      minVersion: request.versions[0],
      maxVersion: Math.min(request.versions[1], this.versionMax[name] ?? request.versions[1]),
    }));
    const finalizedFeatures = Object.entries(this.features).map(([name, level]) => ({
      name,
      maxVersionLevel: level,
      minVersionLevel: level,
    }));
    const finalizedFeaturesEpoch = finalizedFeatures.length === 0 ? -1 : 0;
    const rest = { throttleTimeMs: 0, supportedFeatures: [], finalizedFeaturesEpoch, finalizedFeatures, zkMigrationReady: false };
    return { errorCode: "NONE", apiKeys, ...rest };
  }

  newProducer(): object {
    const ongoing = { ongoingTxnProducerId: -1, ongoingTxnProducerEpoch: -1 };
    return { throttleTimeMs: 0, errorCode: "NONE", producerId: this.#nextProducerId++, producerEpoch: 0, ...ongoing };
  }

  metadata({ topics }: MetadataRequest): MetadataResponse {
    const names = topics === null ? [...this.topics.keys()] : topics.map(({ name }) => name ?? "");
    return {
      throttleTimeMs: 0,
      brokers: [...this.links.keys()].map((nodeId) => ({ nodeId, host: "fake", port: 9000 + nodeId, rack: null })),
      clusterId: "fake",
      controllerId: 1,
      topics: names.map((name) => {
        const topic = this.topics.get(name);
        return {
          errorCode: topic === undefined ? "UNKNOWN_TOPIC_OR_PARTITION" : "NONE",
          name,
          topicId: topic?.topicId ?? zeroTopicId,
          isInternal: false,
          errorMessage: null,
          topicAuthorizedOperations: 0,
          partitions: (topic?.partitions ?? []).map(({ leader, leaderEpoch }, partitionIndex) => ({
            errorCode: "NONE",
            partitionIndex,
            leaderId: leader,
            leaderEpoch,
            replicaNodes: [1, 2],
            isrNodes: [1, 2],
            offlineReplicas: [],
            offlineReasons: [],
            addingReplicas: [],
            removingReplicas: [],
          })),
        };
      }),
      clusterAuthorizedOperations: 0,
    };
  }

  #led(name: string, index: number, broker: number): FakePartition | KafkaErrorCode {
    const partition = this.topics.get(name)?.partitions[index];
    if (partition === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
    return partition.leader === broker ? partition : "NOT_LEADER_OR_FOLLOWER";
  }

  #nodes() {
    return this.hints ? [...this.links.keys()].map((nodeId) => ({ nodeId, host: "fake", port: 9000 + nodeId, rack: null })) : [];
  }

  #hint(name: string, index: number, led: FakePartition | KafkaErrorCode) {
    const partition = this.topics.get(name)?.partitions[index];
    if (!this.hints || led !== "NOT_LEADER_OR_FOLLOWER" || partition === undefined) return { leaderId: -1, leaderEpoch: -1 };
    return { leaderId: partition.leader, leaderEpoch: partition.leaderEpoch };
  }

  produce(
    { topicData }: ProduceRequest,
    broker: number,
    refuse: (topic: string, index: number, records: Buffer) => KafkaErrorCode | null = () => null,
  ): ProduceResponse {
    return {
      throttleTimeMs: 0,
      nodeEndpoints: this.#nodes(),
      responses: topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index, records }) => {
          const bytes = Buffer.concat(records ?? []);
          const led = this.#led(name, index, broker);
          const refused = typeof led === "string" ? led : refuse(name, index, bytes);
          const written = typeof led === "string" ? led : (refused ?? led.produce(bytes));
          return {
            index,
            errorCode: typeof written === "string" ? written : "NONE",
            baseOffset: typeof written === "string" ? -1 : written,
            logAppendTimeMs: -1,
            logStartOffset: 0,
            recordErrors: [],
            errorMessage: null,
            currentLeader: this.#hint(name, index, led),
          };
        }),
      })),
    };
  }

  /** As of a broker that does not know that it leads no more. */
  produceAnyway(request: ProduceRequest): ProduceResponse {
    const partitions = request.topicData.flatMap(({ name, partitionData }) =>
      partitionData.flatMap(({ index }) => this.topics.get(name)?.partitions[index] ?? []),
    );
    const leaders = partitions.map(({ leader }) => leader);
    for (const partition of partitions) partition.leader = 0;
    const answer = this.produce(request, 0);
    for (const [i, partition] of partitions.entries()) partition.leader = leaders[i] as number;
    return answer;
  }

  fetch({ topics }: FetchRequest, broker: number, version: number): FetchResponse {
    return {
      throttleTimeMs: 0,
      errorCode: "NONE",
      sessionId: 0,
      nodeEndpoints: this.#nodes(),
      responses: topics.map(({ topic, topicId, partitions }) => {
        const name = version >= 13 ? ([...this.topics].find(([, known]) => known.topicId === topicId)?.[0] ?? "") : topic;
        return {
          topic,
          topicId,
          partitions: partitions.map(({ partition, fetchOffset, lastFetchedEpoch, partitionMaxBytes }) => {
            const led = this.#led(name, partition, broker);
            const fetched = this.#fetchPartition(led, partition, fetchOffset, lastFetchedEpoch, partitionMaxBytes);
            return { ...fetched, currentLeader: this.#hint(name, partition, led) };
          }),
        };
      }),
    };
  }

  #fetchPartition(
    led: FakePartition | KafkaErrorCode,
    partitionIndex: number,
    fetchOffset: number,
    lastFetchedEpoch: number,
    bytesMax: number,
  ) {
    const answer = {
      partitionIndex,
      errorCode: "NONE" as KafkaErrorCode,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      divergingEpoch: { epoch: -1, endOffset: -1 },
      snapshotId: { endOffset: -1, epoch: -1 },
      abortedTransactions: null,
      preferredReadReplica: -1,
      records: [Buffer.alloc(0)],
    };
    if (typeof led === "string") return { ...answer, errorCode: led };
    const diverging = divergence(led, fetchOffset, lastFetchedEpoch);
    if (diverging !== null) return { ...answer, divergingEpoch: diverging };
    if (fetchOffset < led.startOffset || fetchOffset > led.endOffset)
      return { ...answer, errorCode: "OFFSET_OUT_OF_RANGE" as KafkaErrorCode };
    const records: Buffer[] = [];
    let bytes = 0;
    for (const batch of led.batches) {
      if (lastOffsetAt(batch, 0) < fetchOffset) continue;
      if (records.length > 0 && bytes + batch.length > bytesMax) break;
      records.push(batch);
      bytes += batch.length;
    }
    return {
      ...answer,
      highWatermark: led.endOffset,
      lastStableOffset: led.endOffset,
      logStartOffset: led.startOffset,
      records: [Buffer.concat(records)],
    };
  }

  listOffsets({ topics }: ListOffsetsRequest, broker: number): ListOffsetsResponse {
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => {
          const led = this.#led(name, partitionIndex, broker);
          const none = { partitionIndex, oldStyleOffsets: [], timestamp: -1, offset: -1, leaderEpoch: -1 };
          if (typeof led === "string") return { ...none, errorCode: led };
          const records =
            timestamp < 0 ? [] : led.batches.flatMap((batch) => [...decodeBatch(batch, 0, { decompress: decompressRecords })]);
          const found = records.find((record) => record.timestampMs >= timestamp)?.offset ?? -1;
          const offset = timestamp === -1 ? led.endOffset : timestamp === -2 ? led.startOffset : found;
          return { ...none, errorCode: "NONE", offset, leaderEpoch: led.leaderEpoch };
        }),
      })),
    };
  }

  epochEnds({ topics }: OffsetForLeaderEpochRequest, broker: number): OffsetForLeaderEpochResponse {
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, leaderEpoch }) => {
          const led = this.#led(topic, partition, broker);
          if (typeof led === "string") return { errorCode: led, partition, leaderEpoch: -1, endOffset: -1 };
          return { errorCode: "NONE", partition, ...(epochEnd(led, leaderEpoch) ?? { leaderEpoch: -1, endOffset: -1 }) };
        }),
      })),
    };
  }
}

export function textRecord(value: string, key: string | null = null, timestampMs = 1_700_000_000_000): RecordToEncode {
  return { key: key === null ? null : Buffer.from(key), value: Buffer.from(value), timestampMs };
}
