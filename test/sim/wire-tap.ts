import { Unpackr } from "msgpackr";
import { readRequestHeaderRest, readRequestStart, skipResponseHeaderRest } from "../../protocol/messages/headers.ts";
import { produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import type {
  MetadataUpdateRequest,
  ReplicaFetchedPartition,
  ReplicaFetchPartition,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
} from "../../protocol/peer/messages.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { TappedSessions } from "./tapped-sessions.ts";

/** One partition's part of a produce request, at the broker. */
export interface AskedProduce {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
  readonly records: Buffer;
}

export interface ProduceAnswer extends AskedProduce {
  readonly error: string;
  readonly baseOffset: number;
  /**
   * The earliest moment at which this answer can have been decided. A broker answers a connection in the order of its requests: if the
   * answer waited for no other, nor for another partition of its own request, it was decided when it was sent. Otherwise it may have been
   * decided at any time since the request arrived.
   */
  readonly decidedAfterMs: number;
}

/** What brokers send, at the moment at which they send it; `by` is the process. */
export interface TapEvents {
  readonly onReplicaFetchAnswered: (by: string, follower: number, asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition) => void;
  /** It has accepted the update, and acts on it. */
  readonly onUpdateTaken: (by: string, update: MetadataUpdateRequest) => void;
  readonly onProduceAnswered: (by: string, answer: ProduceAnswer) => void;
}

export type ConversationKind = "client" | "peer";

interface PendingRequest {
  readonly correlationId: number;
  readonly version: number;
  /** Null: not a produce. */
  readonly produce: readonly AskedProduce[] | null;
  readonly heardMs: number;
  /** Since when nothing before it is unanswered. */
  firstSinceMs: number;
}

/** Reads along on one link between a broker and its client or peer. */
export class Conversation {
  readonly #by: string;
  readonly #nowMs: () => number;
  readonly #events: TapEvents;
  readonly #heard = new FrameSplitter({ frameMaxBytes: 2 ** 30 });
  readonly #said = new FrameSplitter({ frameMaxBytes: 2 ** 30 });
  readonly #kind: ConversationKind;
  readonly #pending: PendingRequest[] = [];
  readonly #peerRequests = new Map<number, { readonly kind: string; readonly body: unknown }>();
  readonly #sessions: TappedSessions;

  constructor(by: string, kind: ConversationKind, sessions: TappedSessions, nowMs: () => number, events: TapEvents) {
    this.#by = by;
    this.#kind = kind;
    this.#sessions = sessions;
    this.#nowMs = nowMs;
    this.#events = events;
  }

  /** The process that answers. */
  get by(): string {
    return this.#by;
  }

  /** What has waited for an answer, and for nothing else on this link, since before `sinceMs`. */
  waitingSince(sinceMs: number): readonly (AskedProduce & { readonly heardMs: number })[] {
    const [first] = this.#pending;
    if (first?.produce == null || first.firstSinceMs > sinceMs) return [];
    const { heardMs } = first;
    return first.produce.map((asked) => ({ ...asked, heardMs }));
  }

  heard(bytes: Buffer): void {
    this.#heard.push(Buffer.from(bytes), (frame) => (this.#kind === "client" ? this.#clientAsks(frame) : this.#peerAsks(frame)));
  }

  said(bytes: Buffer): void {
    this.#said.push(Buffer.from(bytes), (frame) => (this.#kind === "client" ? this.#clientIsAnswered(frame) : this.#peerIsAnswered(frame)));
  }

  #clientAsks(frame: Buffer): void {
    const reader = new Reader(frame);
    const { apiKey, apiVersion, correlationId } = readRequestStart(reader);
    const heardMs = this.#nowMs();
    const pending = { correlationId, version: apiVersion, heardMs, firstSinceMs: this.#pending.length === 0 ? heardMs : Infinity };
    if (apiKey !== produceRequest.apiKey) {
      this.#pending.push({ ...pending, produce: null });
      return;
    }
    readRequestHeaderRest(reader, produceRequest.isFlexible(apiVersion));
    const { acks, topicData } = produceRequest.read(reader, apiVersion);
    const produce = topicData.flatMap(({ name: topic, partitionData }) =>
      partitionData.map(({ index: partition, records }) => ({
        topic,
        partition,
        acks,
        records: wholeOf(records),
      })),
    );
    if (acks !== 0) this.#pending.push({ ...pending, produce });
  }

  #clientIsAnswered(frame: Buffer): void {
    const reader = new Reader(frame);
    const correlationId = reader.int32();
    const request = this.#pending.shift();
    if (request === undefined || request.correlationId !== correlationId) return;
    const nowMs = this.#nowMs();
    const next = this.#pending[0];
    if (next !== undefined) next.firstSinceMs = nowMs;
    if (request.produce === null) return;
    skipResponseHeaderRest(reader, produceRequest.apiKey, produceResponse.isFlexible(request.version));
    const { responses } = produceResponse.read(reader, request.version);
    // one that became the first only now may have been decided at any time since the request arrived
    const isAlone = request.produce.length === 1 && request.firstSinceMs < nowMs;
    for (const { name, partitionResponses } of responses) {
      for (const { index, errorCode, baseOffset } of partitionResponses) {
        const asked = request.produce.find(({ topic, partition }) => topic === name && partition === index);
        if (asked === undefined) continue;
        this.#events.onProduceAnswered(this.#by, {
          ...asked,
          error: errorCode,
          baseOffset,
          decidedAfterMs: isAlone ? nowMs : request.heardMs,
        });
      }
    }
  }

  #peerAsks(frame: Buffer): void {
    const { id, kind, body } = peerMessage(frame);
    this.#peerRequests.set(id, { kind, body });
    if (kind === "replica-fetch") this.#sessions.asked(this.#by, body as ReplicaFetchRequest);
  }

  #peerIsAnswered(frame: Buffer): void {
    const { id, body } = peerMessage(frame);
    const request = this.#peerRequests.get(id);
    this.#peerRequests.delete(id);
    if (request?.kind === "metadata-update") {
      const { error, message } = body as { readonly error: string; readonly message: string };
      if (error === "NONE" && message === "") this.#events.onUpdateTaken(this.#by, request.body as MetadataUpdateRequest);
    }
    if (request?.kind !== "replica-fetch") return;
    const fetch = request.body as ReplicaFetchRequest;
    const { error, partitions } = body as ReplicaFetchResponse;
    if (error !== "NONE") return;
    for (const { asked, answer } of this.#sessions.answered(this.#by, fetch, partitions))
      this.#events.onReplicaFetchAnswered(this.#by, fetch.brokerId, asked, answer);
  }
}

const unpackr = new Unpackr({ useRecords: false, int64AsType: "number" });

function peerMessage(frame: Buffer): { readonly id: number; readonly kind: string; readonly body: unknown } {
  return unpackr.unpack(frame.subarray(4, 4 + frame.readUInt32BE(0)));
}

/** All that brokers receive and send, read off the links by an observer that is part of neither end. */
export class WireTap {
  readonly #nowMs: () => number;
  readonly #events: TapEvents;
  readonly #open = new Map<object, Conversation>();
  readonly #sessions = new TappedSessions();

  constructor(nowMs: () => number, events: TapEvents) {
    this.#nowMs = nowMs;
    this.#events = events;
  }

  /** Of open links. */
  get conversations(): Iterable<Conversation> {
    return this.#open.values();
  }

  /** `end`: of the listening broker. */
  begins(end: object, by: string, kind: ConversationKind): Conversation {
    const conversation = new Conversation(by, kind, this.#sessions, this.#nowMs, this.#events);
    this.#open.set(end, conversation);
    return conversation;
  }

  ends(end: object): void {
    this.#open.delete(end);
  }
}

function wholeOf(records: Buffer | readonly Buffer[] | null): Buffer {
  if (records === null) return Buffer.alloc(0);
  return Buffer.isBuffer(records) ? records : Buffer.concat(records);
}
