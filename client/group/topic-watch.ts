import { types } from "node:util";
import type { Timer } from "../../protocol/base/clock.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";

/** A topic's name, or a regular expression that matches topic names as a whole or in part. */
export type TopicPattern = string | RegExp;

/** A subscribed topic that was deleted may be re-created at any moment: it is checked this often. Milliseconds. */
const missingTopicLookMs = 2000;

/**
 * The topics that a subscription means: its patterns are matched against the cluster's list now and then, and new partitions are found in
 * the same way.
 */
export class TopicWatch {
  readonly #cluster: Cluster;
  readonly #onChange: () => void;
  #patterns: readonly TopicPattern[] = [];
  #topics: readonly string[] = [];
  #timer: Timer | null = null;
  #delayMs = Number.POSITIVE_INFINITY;
  readonly #unsubscribe: () => void;

  constructor(cluster: Cluster, onChange: () => void) {
    this.#cluster = cluster;
    this.#onChange = onChange;
    this.#unsubscribe = cluster.metadata.onChange(() => {
      if (this.#timer !== null && this.#nextDelayMs() < this.#delayMs) this.#schedule();
    });
  }

  /** Sorted by name. */
  get topics(): readonly string[] {
    return this.#topics;
  }

  /** Resolves once the topics are known. Rejects, and keeps what was watched, for a name that is not a topic's. */
  async watch(patterns: readonly TopicPattern[], deadlineMs: number): Promise<void> {
    checkPatterns(patterns);
    const { metadata, signal } = this.#cluster;
    await this.#cluster.reach(deadlineMs);
    for (const pattern of patterns) if (typeof pattern === "string") await metadata.awaitTopic(pattern, deadlineMs, signal);
    const topics = await this.#cluster.retrying(deadlineMs, () => this.#resolve(patterns));
    this.#patterns = patterns;
    this.#topics = topics;
    this.#schedule();
  }

  close(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
    this.#timer = null;
    this.#patterns = [];
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#cluster.isClosed) return;
    this.#delayMs = this.#nextDelayMs();
    this.#timer = this.#cluster.runtime.clock.schedule(this.#delayMs, () => {
      this.#refresh()
        .catch((error: unknown) => {
          if (!this.#cluster.isClosed) this.#cluster.runtime.log.debug({ err: error }, "the list of topics could not be refreshed");
        })
        .finally(() => {
          if (this.#patterns.length > 0) this.#schedule();
        });
    });
  }

  #nextDelayMs(): number {
    const { metadata, settings } = this.#cluster;
    const isMissing = this.#topics.some((topic) => metadata.topic(topic) === undefined);
    return isMissing ? Math.min(missingTopicLookMs, settings.metadataMaxAgeMs) : settings.metadataMaxAgeMs;
  }

  async #refresh(): Promise<void> {
    const { metadata } = this.#cluster;
    for (const topic of this.#topics) metadata.topic(topic);
    metadata.requestRefresh();
    const patterns = this.#patterns;
    const topics = await this.#resolve(patterns);
    if (patterns !== this.#patterns || (topics.length === this.#topics.length && topics.every((topic, i) => topic === this.#topics[i])))
      return;
    this.#topics = topics;
    this.#onChange();
  }

  async #resolve(patterns: readonly TopicPattern[]): Promise<readonly string[]> {
    const expressions = patterns.filter((pattern) => typeof pattern !== "string");
    const names = new Set(patterns.filter((pattern) => typeof pattern === "string"));
    if (expressions.length > 0) {
      const { pool, signal } = this.#cluster;
      const build = (version: number) => metadataRequest(null, version);
      const answer = await pool.askAny((connection, settled) => connection.request(apis.metadata, build, { signal: settled }), signal);
      for (const { name, isInternal } of mergeMetadata(emptySnapshot, answer).topics.values())
        if (!isInternal && expressions.some((expression) => name.search(expression) >= 0)) names.add(name);
    }
    return [...names].toSorted();
  }
}

/** Throws InvalidArgument for what is no list of topics. A text alone would be taken for one, of its letters. */
function checkPatterns(patterns: readonly TopicPattern[]): void {
  const form = 'subscribe takes a list of names and expressions, as in subscribe(["orders", /^returns-/])';
  if (!Array.isArray(patterns)) throw new InvalidArgument(`${kindOf(patterns)} is no list of topics: ${form}`);
  for (const pattern of patterns)
    if (!(typeof pattern === "string" && pattern !== "") && !types.isRegExp(pattern))
      throw new InvalidArgument(`${pattern === "" ? "an empty text" : kindOf(pattern)} is no topic: ${form}`);
}
