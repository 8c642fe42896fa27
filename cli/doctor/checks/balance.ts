import { loadsOf } from "../../../placement/broker-loads.ts";
import { planMoves } from "../../../placement/plan.ts";
import type { BrokerLoad, PlannedBroker, PlannedPartition } from "../../../placement/plan-contract.ts";
import { brokersByRack, copiesPerRackMax, rackNumbers } from "../../../placement/rack-limit.ts";
import { type BrokerId, partitionKey } from "../../../protocol/base/ids.ts";
import { formatBytes, formatCount } from "../../output/units.ts";
import { excludedBrokersSetting, excludedIn } from "../../rebalance/excluded-brokers.ts";
import { brokerNames, type Facts, knownOf } from "../facts.ts";
import { type Checked, type Finding, finding, findingIf } from "../finding.ts";

const check = "balance";
/** Whether a plan would help is seen by making one, of no more than takes a second or two: racks may leave no choice. */
const plannedMax = 500;
/** Above this share of the mean, and by as much, one broker has too much. */
const excess = { note: 0.25, warning: 0.6 } as const;
const leastDifference = { leaders: 5, replicas: 5, bytes: 256 * 1024 * 1024 } as const;
type Measured = keyof typeof leastDifference;
const copiesMax = 4_000;
const command = "ottla cluster rebalance --dry-run";

/** Whether brokers and racks have their share. While brokers are away or copies move, it is not judged. */
export function checkBalance(facts: Facts): Checked {
  const { copies, brokers } = facts;
  if (copies.value === null) return { findings: [], unchecked: [{ what: "balance of brokers", why: copies.why }] };
  const { partitions, moving } = copies.value;
  const present = new Set(brokers.map(({ id }) => id));
  const crowded = crowdedBrokers(copies.value.brokers, partitions);
  const racks = [...rackFindings(copies.value.brokers, partitions), ...halfRacked(facts)];
  if (moving > 0)
    return {
      findings: [...crowded, ...racks],
      unchecked: [{ what: "balance of brokers", why: `${formatCount(moving, "partition")} being moved` }],
    };
  if (partitions.some(({ replicas }) => replicas.some((id) => !present.has(id))))
    return { findings: [...crowded, ...racks], unchecked: [{ what: "balance of brokers", why: "brokers with copies are away" }] };
  const drained = drainedBrokers(facts);
  const sharing = copies.value.brokers.filter(({ id }) => !drained.has(id));
  return { findings: [...crowded, ...racks, ...loadFindings(sharing, partitions), ...leaderFindings(facts)], unchecked: [] };
}

/** Those that have no share are as somebody wanted them: a rebalance would fill them again. */
function drainedBrokers({ settings }: Facts): ReadonlySet<BrokerId> {
  const [first] = knownOf(settings).flatMap(([, entries]) => entries.get(excludedBrokersSetting)?.value ?? []);
  return excludedIn(first ?? "");
}

function loadFindings(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): readonly Finding[] {
  const before = loadsOf(brokers, partitions);
  const empty = before.filter(({ replicas }) => replicas === 0).map(({ broker }) => broker);
  const nothing = findingIf(check, "note", partitions.length === 0 ? [] : brokerNames(empty), (count) => ({
    what: `${formatCount(count, "broker")} with nothing on ${count === 1 ? "it" : "them"}`,
    why: "a broker that joined gets copies of new topics only",
    commands: [command],
  }));
  // one copy that is larger than all others cannot be shared out
  const largest = Math.max(0, ...partitions.map(({ bytes }) => bytes));
  const isAvoidable = (of: Measured) => of !== "bytes" || Math.max(...before.map(({ bytes }) => bytes)) > largest * (1 + excess.note);
  const measures = (["leaders", "replicas", "bytes"] as const).filter((of) => isUneven(before, of) && isAvoidable(of));
  if (measures.length === 0) return nothing;
  const after = partitions.length > plannedMax ? null : afterPlan(brokers, partitions);
  const mendable = measures.filter((of) => after === null || share(after, of) < share(before, of) - 0.1);
  return [...nothing, ...mendable.map((of) => unevenFinding(before, of))];
}

function afterPlan(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): readonly BrokerLoad[] {
  const planned = planMoves({ brokers, partitions, goal: { kind: "balance" }, by: "bytes" });
  return planned.refused === null ? planned.plan.after : loadsOf(brokers, partitions);
}

function meanOf(loads: readonly BrokerLoad[], of: Measured): number {
  return loads.reduce((sum, load) => sum + load[of], 0) / Math.max(1, loads.length);
}

/** By how much of the mean the fullest has more. */
function share(loads: readonly BrokerLoad[], of: Measured): number {
  const mean = meanOf(loads, of);
  return mean === 0 ? 0 : Math.max(...loads.map((load) => load[of])) / mean - 1;
}

function isUneven(loads: readonly BrokerLoad[], of: Measured): boolean {
  return share(loads, of) > excess.note && Math.max(...loads.map((load) => load[of])) - meanOf(loads, of) >= leastDifference[of];
}

const namesOf = { leaders: "preferred leaders", replicas: "copies", bytes: "bytes" } as const;

function unevenFinding(loads: readonly BrokerLoad[], of: Measured): Finding {
  const text = (value: number) => (of === "bytes" ? formatBytes(Math.round(value)) : String(Math.round(value)));
  const sorted = loads.toSorted((a, b) => b[of] - a[of] || a.broker - b.broker);
  return finding(check, share(loads, of) > excess.warning ? "warning" : "note", {
    what: `${namesOf[of]} are uneven: one broker has ${Math.round(share(loads, of) * 100)} % more than the mean of ${text(meanOf(loads, of))}`,
    where: sorted.map((load) => `broker ${load.broker} (${text(load[of])})`),
    why: "the fullest broker is the first to be slow, or full",
    commands: [command],
  });
}

/** In each case the limit is as low as racks and copies allow. */
function rackFindings(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): readonly Finding[] {
  const racks = brokers.map(({ rack }) => rack);
  if (racks.length === 0 || racks.includes(null) || new Set(racks).size < 2) return [];
  const numbers = new Map(brokers.map(({ id }, at) => [id, rackNumbers(racks)[at] ?? -1]));
  const perRack = brokersByRack([...brokers.keys()], rackNumbers(racks));
  const crowded = partitions.filter(({ replicas }) => {
    const counts = [...Map.groupBy(replicas, (id) => numbers.get(id) ?? -1).values()].map((some) => some.length);
    return Math.max(...counts) > copiesPerRackMax(replicas.length, perRack);
  });
  return findingIf(
    "racks",
    "warning",
    crowded.map(({ topic, partition }) => partitionKey(topic, partition)),
    (count) => ({
      what: `${formatCount(count, "partition")} with more copies in one rack than need be`,
      why: "a rack that fails takes several of their copies at once",
      commands: [command],
    }),
  );
}

function halfRacked({ brokers }: Facts): readonly Finding[] {
  const without = brokers.filter(({ rack }) => rack === null).map(({ id }) => id);
  return findingIf("racks", "warning", without.length < brokers.length ? brokerNames(without) : [], (count) => ({
    what: `${formatCount(count, "broker")} without broker.rack, while others have one`,
    why: "racks count only when every broker has one",
    advice: "set broker.rack in its server.properties, and restart it",
  }));
}

function crowdedBrokers(brokers: readonly PlannedBroker[], partitions: readonly PlannedPartition[]): readonly Finding[] {
  const many = loadsOf(brokers, partitions).filter(({ replicas }) => replicas > copiesMax);
  return findingIf(
    check,
    "warning",
    many.map(({ broker, replicas }) => `broker ${broker} (${replicas.toLocaleString("en")})`),
    (count) => ({
      what: `${formatCount(count, "broker")} with more than ${copiesMax.toLocaleString("en")} copies`,
      why: "each costs open files and memory, and time when the broker starts or dies",
      advice: "add brokers, or give new topics fewer partitions",
    }),
  );
}

/** Those that could be led by the preferred leader, and are not. */
function leaderFindings({ topics, brokers }: Facts): readonly Finding[] {
  const alive = new Set(brokers.map(({ id }) => id));
  const misled = topics.flatMap(({ name, partitions }) =>
    partitions
      .filter(
        ({ leader, replicas: [preferred = -1], isr }) =>
          leader >= 0 && leader !== preferred && alive.has(preferred) && isr.includes(preferred),
      )
      .map(({ partition }) => partitionKey(name, partition)),
  );
  return findingIf(check, "note", misled, (count) => ({
    what: `${formatCount(count, "partition")} not led by the preferred leader, which is in sync`,
    why: "leaders pile up on the brokers that were there when others were not",
    commands: ["ottla topic elect-leaders"],
  }));
}
