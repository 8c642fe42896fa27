import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { MetadataRequest, MetadataResponse } from "../../protocol/messages/metadata.ts";
import { abortable } from "../base/abort.ts";
import { backoffMs } from "../base/backoff.ts";
import type { ClientEvents } from "../base/client-events.ts";
import type { ClientSettings } from "../base/client-options.ts";
import type { ClientRuntime } from "../base/client-runtime.ts";
import { isRetriableFailure, KafkaProtocolError, RequestTimedOut } from "../base/errors.ts";
import { type Retries, topicSubject } from "../base/retries.ts";
import type { AskOne, ConnectionPool } from "../network/connection-pool.ts";
import {
  type ClusterSnapshot,
  emptySnapshot,
  type LearntLeader,
  learnLeader,
  mergeMetadata,
  type NodeEndpoint,
  type PartitionMetadata,
  type TopicMetadata,
} from "./cluster-snapshot.ts";
import { metadataRequest } from "./metadata-request.ts";
import { RefreshPace } from "./refresh-pace.ts";
import { tellChanges } from "./snapshot-changes.ts";

/** Kafka's. */
const topicNameMax = 249;

/** A metadata answer is quick; when no broker has answered for this long, all are asked again. */
const metadataTimeoutMs = 5_000;

/** What is known of the cluster, and one refresh at a time of the topics that are in use. */
export class MetadataCache {
  readonly #pool: ConnectionPool;
  readonly #runtime: ClientRuntime;
  readonly #settings: ClientSettings;
  readonly #retries: Retries;
  readonly #events: ClientEvents;
  readonly #mayCreateTopics: boolean;
  readonly #pace: RefreshPace;
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();
  /** Topics in use, and when they last were. Monotonic. */
  readonly #topicsUsedAtMs = new Map<string, number>();
  /** Those of the last refresh. */
  #askedTopics: ReadonlySet<string> = new Set();
  #snapshot: ClusterSnapshot = emptySnapshot;
  #running: Promise<void> | null = null;
  /** The running one whose failure `requestRefresh` makes good. */
  #followed: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #failures = 0;
  /** Of the last refresh; null: it succeeded. */
  #lastFailure: unknown = null;
  /** Of the last refresh. */
  #endedAtMs = Number.NEGATIVE_INFINITY;
  /** Some caller of the next refresh wants to hear from a broker that was not asked last. */
  #inTurns = false;
  #startedAtMs = Number.NEGATIVE_INFINITY;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    pool: ConnectionPool,
    runtime: ClientRuntime,
    settings: ClientSettings,
    retries: Retries,
    events: ClientEvents,
    { mayCreateTopics }: { readonly mayCreateTopics: boolean },
  ) {
    this.#pool = pool;
    this.#runtime = runtime;
    this.#settings = settings;
    this.#retries = retries;
    this.#events = events;
    this.#mayCreateTopics = mayCreateTopics;
    this.#pace = new RefreshPace(settings);
  }

  get snapshot(): ClusterSnapshot {
    return this.#snapshot;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Called after every change. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is known of a topic, at once; it counts as in use, and old metadata is refreshed in the background. */
  topic(name: string, nowMs = this.#runtime.clock.monotonicMs()): TopicMetadata | undefined {
    // no topic has such a name, and a request with it could not be sent: all others in it would not be requested either
    if (name.length > topicNameMax) return undefined;
    this.#topicsUsedAtMs.set(name, nowMs);
    const known = this.#snapshot.topics.get(name);
    if (known !== undefined && nowMs - this.#refreshedAtMs > this.#settings.metadataMaxAgeMs) this.requestRefresh();
    return known;
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.topic(topic)?.partitions[partition];
  }

  /** What a broker said when it was asked for partitions that it does not lead; `nodes`: the leaders' addresses. */
  learn(learnt: readonly LearntLeader[], nodes: readonly NodeEndpoint[]): void {
    this.#replace(learnt.reduce((snapshot, one) => learnLeader(snapshot, one, nodes), this.#snapshot));
  }

  /**
   * Resolves with the topic once it is known; retries until `deadlineMs` (monotonic). Throws KafkaProtocolError when the brokers give a
   * reason, ConnectionLost or RequestTimedOut when none answered, the signal's reason.
   *
   * `sinceMs` (monotonic): the caller waits since then, for its turn. If the deadline has passed meanwhile, what a refresh since then has
   * ended with is the reason, and nobody is asked again: of many who wait in turn, each would take another refresh to fail.
   */
  async awaitTopic(
    name: string,
    deadlineMs: number,
    signal?: AbortSignal,
    { sinceMs = this.#runtime.clock.monotonicMs() } = {},
  ): Promise<TopicMetadata> {
    if (name.length > topicNameMax)
      throw new KafkaProtocolError(
        "INVALID_TOPIC_EXCEPTION",
        `topic ${name.slice(0, 50)}…`,
        `${name.length} characters, at most ${topicNameMax}`,
      );
    return this.#retries.until(topicSubject(name), () => this.#untilKnown(name, { deadlineMs, sinceMs }, signal));
  }

  async #untilKnown(
    name: string,
    times: { readonly deadlineMs: number; readonly sinceMs: number },
    signal: AbortSignal | undefined,
  ): Promise<TopicMetadata> {
    const { clock, random } = this.#runtime;
    const { deadlineMs, sinceMs } = times;
    for (let failures = 1; ; failures++) {
      const known = this.topic(name);
      if (known !== undefined) return known;
      const isTooLate = clock.monotonicMs() > deadlineMs && this.#endedAtMs >= sinceMs;
      const reason = isTooLate ? this.#lastReason(name) : null;
      if (reason !== null) throw reason;
      const failure = await this.refresh(signal).then(
        () => this.#whyUnknown(name),
        (error: unknown) => error,
      );
      signal?.throwIfAborted();
      if (failure === null) continue;
      const pauseMs = backoffMs(failures, this.#settings, random);
      if (!mayBecomeKnown(failure) || clock.monotonicMs() + pauseMs > deadlineMs) throw failure;
      this.#retries.failed(topicSubject(name), failure, times);
      await sleep(clock, pauseMs, signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]));
    }
  }

  /** By the last refresh. Null: it was not asked for the topic. */
  #lastReason(name: string): unknown {
    return this.#lastFailure ?? (this.#snapshot.topicErrors.has(name) ? this.#whyUnknown(name) : null);
  }

  #whyUnknown(name: string): Error | null {
    if (this.#snapshot.topics.has(name)) return null;
    const { code = "NONE", detail = null } = this.#snapshot.topicErrors.get(name) ?? {};
    return new KafkaProtocolError(code === "NONE" ? "UNKNOWN_TOPIC_OR_PARTITION" : code, `topic ${name}`, detail);
  }

  /**
   * Metadata requested after this call. Callers share a refresh; one that began before the call does not count. `inTurns`: from a broker
   * that was not asked lately, for the one that was may be behind.
   */
  refresh(signal?: AbortSignal, { inTurns = false } = {}): Promise<void> {
    if (inTurns) this.#inTurns = true;
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    const shared = this.#running === null ? this.#start() : this.#queue();
    return abortable(shared, signal);
  }

  /**
   * A refresh in the background: soon, and again if it fails, at the pace of failures. One that runs already will do, whoever began it; but
   * whoever began it need not repeat it. So it is followed, once however many ask.
   */
  requestRefresh(): void {
    if (this.#closing.signal.aborted) return;
    const run = this.#running ?? this.#start();
    if (run === this.#followed) return;
    this.#followed = run;
    run.catch((error: unknown) => {
      if (this.#closing.signal.aborted) return;
      this.#runtime.log.debug({ err: error }, "metadata could not be refreshed");
      this.requestRefresh();
    });
  }

  close(reason: Error): void {
    this.#closing.abort(reason);
    this.#listeners.clear();
  }

  #start(): Promise<void> {
    const run = this.#runRefresh().finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }

  #queue(): Promise<void> {
    this.#next ??= (this.#running ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        return this.#running ?? this.#start();
      });
    return this.#next;
  }

  async #runRefresh(): Promise<void> {
    const { clock, random } = this.#runtime;
    // however many callers there are, the same topics are requested at this pace, and less often while that fails
    const isNews = this.#failures === 0 && [...this.#topicsUsedAtMs.keys()].some((name) => !this.#askedTopics.has(name));
    const paceMs = this.#pace.pauseMs(clock.monotonicMs(), random);
    const gapMs = isNews ? 0 : this.#failures > 0 ? backoffMs(this.#failures, this.#settings, random) : paceMs;
    const waitMs = this.#startedAtMs + gapMs - clock.monotonicMs();
    if (waitMs > 0) await sleep(clock, waitMs, this.#closing.signal);
    this.#startedAtMs = clock.monotonicMs();
    this.#pace.begins(this.#startedAtMs);
    const inTurns = this.#inTurns || paceMs > 0;
    this.#inTurns = false;
    this.#forgetUnused();
    this.#askedTopics = new Set(this.#topicsUsedAtMs.keys());
    const asked = this.#askedTopics;
    const mayCreateTopics = this.#mayCreateTopics;
    const build = (version: number) => metadataRequest(asked, version, { mayCreateTopics, withReasons: mayCreateTopics });
    try {
      const answer = await askMetadata(this.#pool, this.#runtime.clock, this.#settings, { build, inTurns });
      this.#failures = 0;
      this.#lastFailure = null;
      this.#refreshedAtMs = clock.monotonicMs();
      this.#endedAtMs = this.#refreshedAtMs;
      // a listener that needs newer metadata requests it at once: this refresh is over for it
      this.#running = null;
      this.#replace(mergeMetadata(this.#snapshot, answer));
    } catch (error) {
      this.#failures++;
      this.#lastFailure = error;
      this.#endedAtMs = clock.monotonicMs();
      throw error;
    }
  }

  #forgetUnused(): void {
    const usedSinceMs = this.#runtime.clock.monotonicMs() - this.#settings.metadataMaxAgeMs;
    const unused = [...this.#topicsUsedAtMs].filter(([, usedAtMs]) => usedAtMs < usedSinceMs).map(([name]) => name);
    if (unused.length === 0) return;
    const topics = new Map(this.#snapshot.topics);
    const topicErrors = new Map(this.#snapshot.topicErrors);
    for (const name of unused) {
      this.#topicsUsedAtMs.delete(name);
      topics.delete(name);
      topicErrors.delete(name);
    }
    this.#snapshot = { ...this.#snapshot, topics, topicErrors };
  }

  #replace(snapshot: ClusterSnapshot): void {
    const before = this.#snapshot;
    if (snapshot === before || this.#closing.signal.aborted) return;
    this.#snapshot = snapshot;
    this.#pool.setBrokers(snapshot.brokers);
    for (const listener of [...this.#listeners]) listener();
    tellChanges(this.#events, before, snapshot);
  }
}

/**
 * Waiting may mend why a topic is not known. So it does where it cannot be created for want of live brokers: elsewhere that is final, but
 * here nobody asked for so many copies, and in a rolling restart the next broker is back in a moment.
 */
export function mayBecomeKnown(failure: unknown): boolean {
  return isRetriableFailure(failure) || (failure instanceof KafkaProtocolError && failure.code === "INVALID_REPLICATION_FACTOR");
}

/** The first good answer of any broker. Rejects with RequestTimedOut when no broker answers, ConnectionLost when none can be reached. */
async function askMetadata(
  pool: ConnectionPool,
  clock: Clock,
  settings: ClientSettings,
  { build, inTurns }: { readonly build: (version: number) => MetadataRequest; readonly inTurns: boolean },
): Promise<MetadataResponse> {
  const timeoutMs = Math.min(metadataTimeoutMs, settings.requestTimeoutMs);
  const over = new AbortController();
  const timer = clock.schedule(timeoutMs, () => over.abort(new RequestTimedOut(`no broker answered Metadata within ${timeoutMs} ms`)));
  try {
    const ask: AskOne<MetadataResponse> = (connection, signal) => connection.request(apis.metadata, build, { signal });
    return await pool.askAny(ask, over.signal, { inTurns });
  } finally {
    timer.cancel();
  }
}
