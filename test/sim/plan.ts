import { randomInt, seededRandom } from "../../protocol/base/random.ts";

/** What a run is about in addition to its faults: its settings, and what they allow to go wrong or to be lost. */
export interface Plan {
  readonly topicConfigs: Readonly<Record<string, string>>;
  readonly brokerSettings: Readonly<Record<string, string>>;
  /** What is acknowledged is on the disk: the power of all brokers may fail at once. */
  readonly isFlushed: boolean;
  readonly sessionTimeoutMs: number;
  /** Bits may rot; brokers scrub for that themselves. */
  readonly mayRot: boolean;
  readonly retention: Retention | null;
  /** Faults of several steps, each at its moment, with few others in between. */
  readonly isSchemed: boolean;
  /** A consumer group whose members come and go, alongside the consumer that reads by itself. */
  readonly hasGroup: boolean;
  /** Another topic, which is created and deleted again and again. */
  readonly hasFleetingTopic: boolean;
  /** Wall clocks are set forward and back. */
  readonly areClocksSet: boolean;
  /** Brokers are told to shut down before they are ready, or find a port in use. */
  readonly doStartsFail: boolean;
  /** ZooKeeper is several servers, which lag by different times. */
  readonly hasLaggingServers: boolean;
  /** ZooKeeper comes up with an older state, or with none, and later with the right one again. */
  readonly isCoordinatorLost: boolean;
  /** Links between brokers break. */
  readonly doLinksBreak: boolean;
  /** Disks do not answer for a while. */
  readonly doDisksHang: boolean;
  /** Partitions are moved to other brokers. */
  readonly arePartitionsMoved: boolean;
  /** Some clients read from followers. */
  readonly isReadCloseBy: boolean;
  /** Replication is throttled, to this and that. */
  readonly isThrottled: boolean;
  /** The controller moves partitions by itself. */
  readonly isBalanced: boolean;
  /** Transactional producers, and a reader of what they commit. */
  readonly hasTransactions: boolean;
}

export type Retention = { readonly kind: "bytes"; readonly bytes: number } | { readonly kind: "ms"; readonly ms: number };

/** As things were before there were plans. */
export const plain: Plan = {
  topicConfigs: {},
  brokerSettings: {},
  isFlushed: false,
  sessionTimeoutMs: 3_000,
  mayRot: false,
  retention: null,
  isSchemed: false,
  hasGroup: false,
  hasFleetingTopic: false,
  areClocksSet: false,
  doStartsFail: false,
  hasLaggingServers: false,
  isCoordinatorLost: false,
  doLinksBreak: false,
  doDisksHang: false,
  arePartitionsMoved: false,
  isReadCloseBy: false,
  isThrottled: false,
  isBalanced: false,
  hasTransactions: false,
};

/** For situations that suspicion would end before they are complete: brokers are silent only when their sessions are over. */
export const unsuspecting = { "broker.suspect.timeout.ms": "60000" } as const;

export function planFor(seed: number): Plan {
  const random = seededRandom(seed * 7919 + 13);
  const isFlushed = random.next() < 0.25;
  const mayRot = random.next() < 0.3;
  const retention = random.next() < 0.3 ? retentionBy(random.next(), randomInt(random, 4000)) : null;
  const isSchemed = random.next() < 0.5;
  // where records are deleted early, nobody can tell what a group has skipped
  const hasGroup = retention === null && random.next() < 0.4;
  const hasFleetingTopic = random.next() < 0.35;
  const troubles = troublesFor(seed);
  const hasTransactions = transactionsFor(seed);
  return {
    topicConfigs: {
      ...(isFlushed ? { "flush.messages": "1" } : {}),
      ...(retention?.kind === "bytes" ? { "retention.bytes": `${retention.bytes}` } : {}),
      ...(retention?.kind === "ms" ? { "retention.ms": `${retention.ms}` } : {}),
      ...(retention === null ? {} : { "file.delete.delay.ms": "500" }),
    },
    brokerSettings: {
      ...(retention === null ? {} : { "log.retention.check.interval.ms": "700" }),
      "replica.lag.time.max.ms": `${[600, 1200, 2000][randomInt(random, 3)]}`,
      "broker.suspect.timeout.ms": `${suspectTimeoutFor(seed)}`,
      "log.dir.stall.timeout.ms": "1000",
      ...(troubles.isBalanced ? autoRebalance : {}),
      ...(hasTransactions ? transactionSettingsFor(seed, isFlushed) : {}),
      // what is in memory would hide what rots on the disk
      ...(mayRot
        ? {
            "ottla.log.tail.cache.max.bytes": "0",
            // a simulated hour is never over: consumers would be sent what is trusted, and find out themselves
            ...(seed % 4 === 0 ? {} : { "ottla.log.checked.remember.ms": "0" }),
            "ottla.log.scrub.interval.ms": "1000",
            "ottla.log.scrub.max.bytes.per.second": "1000000000",
          }
        : { "ottla.log.scrub.max.bytes.per.second": "0", "ottla.log.tail.cache.max.bytes": `${tailBytesFor(seed)}` }),
    },
    isFlushed,
    sessionTimeoutMs: plain.sessionTimeoutMs,
    mayRot,
    retention,
    isSchemed,
    hasGroup,
    hasFleetingTopic,
    ...troubles,
    hasTransactions,
    isReadCloseBy: seed % 2 === 0,
  };
}

/** As calm as it ever is here, something is to be moved now and then. */
const autoRebalance = {
  "ottla.auto.rebalance": "full",
  "ottla.auto.rebalance.interval.ms": "200",
  "ottla.auto.rebalance.calm.ms": "500",
  "ottla.auto.rebalance.partitions.at.once": "2",
  "ottla.auto.rebalance.cancelled.pause.ms": "1500",
} as const;

/** From a random source of its own. */
function transactionsFor(seed: number): boolean {
  return seededRandom(seed * 86_028_121 + 17).next() < 0.2;
}

/** Where the power of all brokers may fail, what the coordinators know must be on the disks, too: every topic is flushed. */
function transactionSettingsFor(seed: number, isFlushed: boolean): Readonly<Record<string, string>> {
  const random = seededRandom(seed * 49_979_687 + 23);
  return {
    "transaction.state.log.num.partitions": "2",
    "transaction.state.log.min.isr": `${1 + randomInt(random, 2)}`,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": `${200 + randomInt(random, 600)}`,
    // so small that it is compacted
    ...(random.next() < 0.3 ? { "transaction.state.log.segment.bytes": `${4000 + randomInt(random, 6000)}` } : {}),
    ...(isFlushed ? { "log.flush.interval.messages": "1" } : {}),
  };
}

/** As it comes, or so little that a slow network raises suspicion against brokers that are well. */
function suspectTimeoutFor(seed: number): number {
  return [100, 300, 1000][randomInt(seededRandom(seed * 3571 + 7), 3)] as number;
}

/** From a random source of its own: what was added later leaves the rest of a seed's plan as it was. */
function troublesFor(
  seed: number,
): Pick<
  Plan,
  | "areClocksSet"
  | "doStartsFail"
  | "hasLaggingServers"
  | "isCoordinatorLost"
  | "doLinksBreak"
  | "doDisksHang"
  | "arePartitionsMoved"
  | "isThrottled"
  | "isBalanced"
> {
  const random = seededRandom(seed * 104_729 + 41);
  const troubles = {
    areClocksSet: random.next() < 0.3,
    doStartsFail: random.next() < 0.3,
    hasLaggingServers: random.next() < 0.4,
    isCoordinatorLost: random.next() < 0.25,
    doLinksBreak: random.next() < 0.4,
    doDisksHang: random.next() < 0.3,
    arePartitionsMoved: random.next() < 0.4,
    isThrottled: random.next() < 0.4,
    isBalanced: random.next() < 0.3,
  };
  // there is something to move by itself where somebody heaps partitions up
  return { ...troubles, arePartitionsMoved: troubles.arePartitionsMoved || troubles.isBalanced };
}

/**
 * So little that slabs are evicted, and their memory is used again, while followers and consumers are sent what is in them; or as it comes.
 */
function tailBytesFor(seed: number): number {
  return [8 * 1024, 16 * 1024, 64 * 1024 * 1024][randomInt(seededRandom(seed * 6151 + 29), 3)] as number;
}

function retentionBy(which: number, more: number): Retention {
  return which < 0.5 ? { kind: "bytes", bytes: 4000 + more } : { kind: "ms", ms: 3000 + more };
}
