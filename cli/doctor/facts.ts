import type {
  BrokerMetadata,
  ConfigEntry,
  GroupDescription,
  GroupLag,
  LogDirectoryDescription,
  TopicDescription,
} from "../../client/index.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BrokerSample } from "../metrics/broker-sample.ts";
import type { MetricsAnswer } from "../metrics/read-metrics.ts";
import type { MoveUnderWay } from "../rebalance/moves-under-way.ts";
import type { ClusterCopies } from "../rebalance/read-copies.ts";
import type { Known } from "../topic/known.ts";

export type Settings = ReadonlyMap<string, ConfigEntry>;

/** What happened when an address was tried from here. */
export interface Probe {
  readonly address: string;
  /** Null: it answers. */
  readonly trouble: string | null;
  /** The requests that it understands, as `key:min-max`; null: not known. */
  readonly versions: readonly string[] | null;
}

export interface GroupFacts {
  readonly description: GroupDescription;
  /** By partition, at first; null: it could not be asked in time. */
  readonly before: readonly GroupLag[] | null;
  /** After the observation. */
  readonly after: readonly GroupLag[] | null;
}

export interface ZookeeperFacts {
  readonly server: string;
  /** Null: it did not answer. */
  readonly latency: { readonly averageMs: number; readonly maxMs: number; readonly outstanding: number } | null;
}

export interface ClockFacts {
  /** How far a broker's clock is ahead of ours, between these two: the header that it tells has whole seconds. Milliseconds. */
  readonly leastMs: number;
  readonly mostMs: number;
}

/** What is known of a cluster, from outside; the checks are functions of it. Two looks at what moves, `observedMs` apart. */
export interface Facts {
  readonly nowMs: number;
  readonly observedMs: number;
  readonly clusterId: string | null;
  readonly controllerId: BrokerId;
  readonly brokers: readonly BrokerMetadata[];
  readonly topics: readonly TopicDescription[];
  readonly bootstrap: readonly Probe[];
  readonly probes: ReadonlyMap<BrokerId, Probe>;
  readonly settings: ReadonlyMap<BrokerId, Known<Settings>>;
  /** By topic; those that were not asked about are missing. */
  readonly topicSettings: Known<ReadonlyMap<string, Settings>>;
  readonly directories: ReadonlyMap<BrokerId, Known<readonly LogDirectoryDescription[]>>;
  readonly metrics: ReadonlyMap<BrokerId, { readonly before: BrokerSample | null; readonly after: MetricsAnswer }>;
  readonly moves: Known<{ readonly before: readonly MoveUnderWay[]; readonly after: readonly MoveUnderWay[] }>;
  readonly copies: Known<ClusterCopies>;
  readonly groups: Known<readonly GroupFacts[]>;
  /** Groups that there are, those that were not asked about among them. */
  readonly groupsCount: number;
  readonly zookeeper: Known<readonly ZookeeperFacts[]>;
}

/** Of the brokers whose answer is missing, the first and how many: one sentence. */
export function whyOfSome(
  what: string,
  answers: ReadonlyMap<BrokerId, { readonly why: string | null }>,
): readonly {
  readonly what: string;
  readonly why: string;
}[] {
  const missing = [...answers].filter(([, { why }]) => why !== null);
  const [first] = missing;
  if (first === undefined) return [];
  const brokers = missing.length === 1 ? `broker ${first[0]}` : `brokers ${missing.map(([id]) => id).join(", ")}`;
  return [{ what: `${what} of ${brokers}`, why: first[1].why ?? "" }];
}

/** By broker, of those that are known. */
export function knownOf<T>(answers: ReadonlyMap<BrokerId, Known<T>>): readonly (readonly [BrokerId, T])[] {
  return [...answers].flatMap(([id, { value }]) => (value === null ? [] : [[id, value] as const]));
}

export function brokerNames(ids: readonly BrokerId[]): readonly string[] {
  return ids.map((id) => `broker ${id}`);
}
