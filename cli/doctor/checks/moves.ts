import { partitionKey } from "../../../protocol/base/ids.ts";
import { formatBytes, formatCount, formatSeconds } from "../../output/units.ts";
import type { MoveUnderWay } from "../../rebalance/moves-under-way.ts";
import { type Facts, knownOf } from "../facts.ts";
import { type Checked, type Finding, finding, findingIf, shellWord } from "../finding.ts";

const rates = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"] as const;
const lists = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"] as const;

/** Reassignments that stand still, and throttles that nobody took away. */
export function checkMoves(facts: Facts): Checked {
  const { moves } = facts;
  if (moves.value === null) return { findings: [], unchecked: [{ what: "reassignments and throttles", why: moves.why }] };
  const findings = [...standing(facts, moves.value), ...(moves.value.after.length === 0 ? throttles(facts) : [])];
  return { findings, unchecked: [] };
}

/** While one of them gets on, the others may be waiting for their turn. */
function standing(
  { brokers, observedMs }: Facts,
  { before, after }: { readonly before: readonly MoveUnderWay[]; readonly after: readonly MoveUnderWay[] },
): readonly Finding[] {
  const alive = new Set(brokers.map(({ id }) => id));
  const left = new Map(before.map((move) => [partitionKey(move.topic, move.partition), move.bytesLeft]));
  const stuck = after.filter(({ topic, partition, bytesLeft }) => {
    const was = left.get(partitionKey(topic, partition));
    return was !== undefined && (was === null || bytesLeft === null || bytesLeft >= was);
  });
  // done meanwhile, or with less to copy: something moves
  if (after.length === 0 || stuck.length < Math.max(before.length, after.length)) return [];
  const away = [...new Set(after.flatMap(({ adding }) => adding.filter((id) => !alive.has(id))))];
  const text = ({ topic, partition, bytesLeft }: MoveUnderWay) =>
    `${partitionKey(topic, partition)}${bytesLeft === null ? "" : ` (${formatBytes(bytesLeft)} left)`}`;
  return [
    finding("reassignments", "warning", {
      what: `${formatCount(stuck.length, "reassignment")} under way, none of which got on in ${formatSeconds(observedMs)}`,
      where: stuck.map(text),
      why: away.length > 0 ? `broker ${away.join(", ")}, which is to get copies, is away` : "they wait for a disk, a leader, or a throttle",
      advice: "what was copied is removed when they are cancelled, and nothing is lost",
      commands: ["ottla cluster rebalance --watch", "ottla cluster rebalance --cancel"],
    }),
  ];
}

function throttles({ topicSettings, settings }: Facts): readonly Finding[] {
  const topics = [...(topicSettings.value ?? [])].flatMap(([topic, entries]) => {
    const set = lists.filter((name) => (entries.get(name)?.value ?? "") !== "");
    return set.length === 0 ? [] : [{ topic, set }];
  });
  const brokers = knownOf(settings).flatMap(([broker, entries]) => {
    const set = rates.filter((name) => entries.get(name)?.source === "dynamic-broker");
    return set.length === 0 ? [] : [{ broker, set }];
  });
  const ofAll = [
    ...new Set(knownOf(settings).flatMap(([, entries]) => rates.filter((name) => entries.get(name)?.source === "dynamic-default"))),
  ];
  const deleting = (set: readonly string[]) => set.map((name) => ` --delete-config ${name}`).join("");
  const where = [
    ...topics.map(({ topic, set }) => `topic ${topic} (${set.map(side).join(", ")})`),
    ...brokers.map(({ broker, set }) => `broker ${broker} (${set.map(side).join(", ")})`),
    ...(ofAll.length === 0 ? [] : [`all brokers (${ofAll.map(side).join(", ")})`]),
  ];
  return findingIf("throttles", "warning", where, () => ({
    what: "throttles of replication are set, and no reassignment is under way",
    why: "they were left behind: a copy that has to catch up, after a restart or on a new disk, is slowed down by them",
    commands: [
      ...topics.map(({ topic, set }) => `ottla topic alter ${shellWord(topic)}${deleting(set)}`),
      ...brokers.map(({ broker, set }) => `ottla cluster alter --broker ${broker}${deleting(set)}`),
      ...(ofAll.length === 0 ? [] : [`ottla cluster alter${deleting(ofAll)}`]),
    ],
  }));
}

function side(name: string): string {
  return name.startsWith("leader") ? "leader" : "follower";
}
