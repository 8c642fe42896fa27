import type { Admin, ClusterDescription, GroupListing, LogDirectoryDescription, TopicDescription } from "../../client/index.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Address } from "../../protocol/base/transport.ts";
import { type GroupFigures, groupFigures } from "../group/group-figures.ts";
import type { MetricsAddress } from "../metrics/metrics-address.ts";
import { type MetricsAnswer, metricsAddresses, readMetrics } from "../metrics/read-metrics.ts";
import { brokerDirectories } from "../topic/broker-directories.ts";
import type { Known } from "../topic/known.ts";
import { type Figures, figuresOf } from "../topic/topic-figures.ts";
import { type Answer, Paced } from "./paced.ts";

export const views = ["brokers", "topics", "groups"] as const;
export type View = (typeof views)[number];

export interface Metadata extends ClusterDescription {
  readonly topics: readonly TopicDescription[];
}

type Directories = ReadonlyMap<BrokerId, Known<readonly LogDirectoryDescription[]>>;

export interface GroupsRead {
  readonly groups: readonly GroupListing[];
  readonly figures: ReadonlyMap<string, GroupFigures>;
}

type MetricsByBroker = ReadonlyMap<BrokerId, MetricsAnswer>;

/** Everything that is known of the cluster now, with what was known before where rates are made of both. */
export interface ClusterKnown {
  readonly metadata: Metadata | null;
  readonly metrics: Answer<MetricsByBroker> | null;
  readonly metricsBefore: Answer<MetricsByBroker> | null;
  readonly directories: Directories | null;
  readonly ends: Answer<Figures> | null;
  readonly endsBefore: Answer<Figures> | null;
  readonly groups: Answer<GroupsRead> | null;
  /** Of the last minute, the oldest: positions are committed in steps, so a moment says little. */
  readonly groupsOldest: Answer<GroupsRead> | null;
  /** What could not be asked, as sentences. */
  readonly failures: readonly string[];
}

export interface ReaderParts {
  readonly admin: Admin;
  readonly clock: Clock;
  readonly everyMs: number;
  readonly metricsNamed: readonly Address[];
  readonly stop: AbortSignal;
}

const settingsEveryMs = 60_000;
const sizesEveryMs = 10_000;
const scrapeMaxMs = 3_000;
/** So much a question may cost a second, whatever the size of the cluster: entries in its answer, bytes of metrics, groups. */
const perSecondMax = { partitions: 1_000, metricsBytes: 1024 * 1024, groups: 100 };

/** Asks the cluster what the screens show, each thing at its own pace: the larger the answer, the rarer the question. */
export class ClusterReader {
  readonly #metadata: Paced<Metadata>;
  readonly #addresses: Paced<ReadonlyMap<BrokerId, MetricsAddress>>;
  readonly #metrics: Paced<MetricsByBroker>;
  readonly #directories: Paced<Directories>;
  readonly #ends: Paced<Figures>;
  readonly #groups: Paced<GroupsRead>;

  constructor({ admin, clock, everyMs, metricsNamed, stop }: ReaderParts) {
    const paced = <T>(ask: () => Promise<T>, pauseMs: (value: T) => number) =>
      new Paced({ ask, pauseMs, pauseAfterFailureMs: everyMs, monotonicMs: () => clock.monotonicMs() });
    const forPartitions = (count: number) => Math.max(everyMs, (count / perSecondMax.partitions) * 1000);
    const sources = { clock, named: metricsNamed, timeoutMs: scrapeMaxMs, stop };
    this.#metadata = paced(
      () => readMetadata(admin),
      ({ topics }) => forPartitions(countPartitions(topics)),
    );
    this.#addresses = paced<ReadonlyMap<BrokerId, MetricsAddress>>(
      () => (metricsNamed.length > 0 ? Promise.resolve(new Map()) : metricsAddresses(admin, this.#now.brokers)),
      () => settingsEveryMs,
    );
    this.#metrics = paced(
      () => readMetrics(this.#now, this.#addresses.latest?.value ?? new Map(), sources),
      (answers) => Math.max(everyMs, (largest(answers) / perSecondMax.metricsBytes) * 1000),
    );
    this.#directories = paced(
      () => brokerDirectories(admin, this.#now.brokers),
      (found) => Math.max(sizesEveryMs, 2 * everyMs, forPartitions(countReplicas(found))),
    );
    this.#ends = paced(
      () => figuresOf(admin, this.#now.topics, new Set(["ends"]), clock.nowMs()),
      ({ size }) => forPartitions(size),
    );
    this.#groups = paced(
      () => readGroups(admin, clock.nowMs()),
      ({ groups }) => Math.max(everyMs, (groups.length / perSecondMax.groups) * 1000),
    );
  }

  get #now(): Metadata {
    return this.#metadata.latest?.value ?? { clusterId: null, controllerId: -1, brokers: [], topics: [] };
  }

  /** Asks which brokers and topics there are. Rejects only where that is not known yet, and the cluster does not answer. */
  async reach(): Promise<void> {
    await this.#metadata.ask();
    if (this.#metadata.latest === null) throw this.#metadata.failure ?? new Error("the cluster does not answer");
  }

  /** Asks what the view shows and it is time for. `onAnswer` is called whenever something has come. Resolves when all has. */
  async ask(view: View, onAnswer: () => void = () => {}): Promise<void> {
    await this.reach();
    onAnswer();
    await Promise.all(this.#questionsOf(view).map((question) => question().then(onAnswer)));
  }

  #questionsOf(view: View): readonly (() => Promise<void>)[] {
    const metrics = () => this.#addresses.ask().then(() => this.#metrics.ask());
    switch (view) {
      case "brokers":
      case "topics":
        return [metrics, () => this.#directories.ask(), () => this.#ends.ask()];
      case "groups":
        return [() => this.#groups.ask()];
    }
  }

  get known(): ClusterKnown {
    const failing = { metadata: this.#metadata, positions: this.#ends, groups: this.#groups };
    return {
      metadata: this.#metadata.latest?.value ?? null,
      metrics: this.#metrics.latest,
      metricsBefore: this.#metrics.before,
      directories: this.#directories.latest?.value ?? null,
      ends: this.#ends.latest,
      endsBefore: this.#ends.before,
      groups: this.#groups.latest,
      groupsOldest: this.#groups.oldest,
      failures: Object.entries(failing).flatMap(([what, { failureText }]) => (failureText === null ? [] : [`${what}: ${failureText}`])),
    };
  }
}

async function readMetadata(admin: Admin): Promise<Metadata> {
  const [cluster, topics] = await Promise.all([admin.describeCluster(), admin.listTopics()]);
  return { ...cluster, topics };
}

async function readGroups(admin: Admin, nowMs: number): Promise<GroupsRead> {
  const groups = await admin.listGroups();
  const ids = groups.map(({ groupId }) => groupId);
  return { groups, figures: await groupFigures(admin, ids, nowMs) };
}

export function countPartitions(topics: readonly TopicDescription[]): number {
  return topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
}

function countReplicas(found: Directories): number {
  const directories = [...found.values()].flatMap(({ value }) => value ?? []);
  return directories.reduce((sum, { replicas }) => sum + replicas.length, 0);
}

function largest(answers: MetricsByBroker): number {
  return Math.max(0, ...[...answers.values()].map((answer) => (answer.sample === null ? 0 : answer.bytes)));
}
