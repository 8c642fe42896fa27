import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "../../client/index.ts";
import { planMoves } from "../../placement/plan.ts";
import type { Plan, PlanInput, PlannedBroker, PlannedPartition } from "../../placement/plan-contract.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { formatBytes, formatCount } from "../output/units.ts";
import { warnOfInsyncReplicas } from "../topic/replica-warning.ts";
import { copiesIn } from "../topic/topic-health.ts";
import { type Carrying, carryOut, goOnWithMoves } from "./carry-out.ts";
import { changeExcluded, excludedBrokers } from "./excluded-brokers.ts";
import { type ClusterCopies, readCopies } from "./read-copies.ts";
import { type PlanShown, planAsText, planFields } from "./show-plan.ts";

const knownMaxMs = 3000;
const lookEveryMs = 100;

export interface HowToPlan extends PlanShown {
  readonly dryRun: boolean;
}

/** Makes brokers and racks even. `only`: the brokers to spread over, and the others are emptied; null: all. */
export async function rebalance(carrying: Carrying, only: readonly number[] | null, how: HowToPlan): Promise<void> {
  const copies = await copiesToPlan(carrying, how);
  const { brokers, partitions } = copies;
  const unknown = only?.find((id) => !brokers.some((each) => each.id === id));
  if (unknown !== undefined) throw new CommandFailed(`there is no broker ${unknown}: see \`ottla cluster describe\``);
  failForAway(copies);
  const chosen = brokers.map((each) => ({ ...each, mayHold: only === null || only.includes(each.id) }));
  const plan = planOf({ brokers: chosen, partitions, goal: { kind: "balance" }, by: how.by });
  const [living] = brokers;
  if (!how.dryRun && living !== undefined) {
    const idsOf = (mayHold: boolean) => chosen.filter((each) => each.mayHold === mayHold).map(({ id }) => id);
    await changeExcluded(carrying.admin, living.id, { emptied: idsOf(false), filled: idsOf(true) });
  }
  await showOrCarryOut(carrying, plan, how, { nothing: "everything is balanced: nothing is to be moved", leadersFirst: false });
}

/**
 * Takes all copies from a broker, which may be gone already: its leaderships first, then the copies. Before anything is planned it is left
 * out of what the controller moves by itself. A drain that is stopped while it waits for others, or refused, has changed nothing: a later
 * drain empties whoever is left out.
 */
export async function drain(carrying: Carrying, broker: number, how: HowToPlan): Promise<void> {
  const { admin } = carrying;
  if (!how.dryRun) await goOnWithMoves(carrying, how.bytesPerSecond);
  const living = (await admin.describeCluster()).brokers.map(({ id }) => id);
  const leaveOut = async () =>
    how.dryRun || !living.includes(broker) ? [] : changeExcluded(admin, living[0]!, { emptied: [broker], filled: [] });
  const added = await leaveOut();
  const plan = await planOfDrain(carrying, broker, how).catch(async (error: unknown) => {
    if (added.length > 0) await changeExcluded(admin, living[0]!, { emptied: [], filled: added }).catch(() => undefined);
    throw error;
  });
  await showOrCarryOut(carrying, plan, how, { nothing: `broker ${broker} has no copies that could be moved`, leadersFirst: true });
  if (how.dryRun) return;
  await failForWhatIsLeft(carrying, broker);
  // a rebalance that ran meanwhile has taken it out
  await leaveOut();
  const { json, output } = carrying.shown;
  if (!json) await output.line(`broker ${broker} has no copies any more: it can be stopped for good`);
}

async function planOfDrain(carrying: Carrying, broker: number, how: HowToPlan): Promise<Plan> {
  const { brokers, partitions } = await copiesToPlan(carrying, how);
  const isThere = brokers.some(({ id }) => id === broker);
  if (!isThere && !partitions.some(({ replicas }) => replicas.includes(broker)))
    throw new CommandFailed(`there is no broker ${broker}, nor copies on one: see \`ottla cluster describe\``);
  const gone: PlannedBroker = { id: broker, rack: null, mayHold: false, roomBytes: null };
  const left = await withoutDrained(carrying, brokers, broker);
  const chosen = isThere ? left.map((each) => ({ ...each, mayHold: each.mayHold && each.id !== broker })) : [...left, gone];
  failForTooFew(chosen.filter(({ mayHold }) => mayHold).length, partitions);
  return planOf({ brokers: chosen, partitions, goal: { kind: "drain" }, by: how.by });
}

/** Where so few brokers are left that topics have more copies. */
function failForTooFew(left: number, partitions: readonly PlannedPartition[]): void {
  const wide = [...new Set(partitions.filter(({ replicas }) => replicas.length > left).map(({ topic }) => topic))];
  const [first] = wide;
  if (first === undefined || left === 0) return;
  const brokers = left === 1 ? "only 1 broker is" : `only ${left} brokers are`;
  const topics = wide.length === 1 ? `topic ${first} has` : `topic ${first} and ${formatCount(wide.length - 1, "other")} have`;
  throw new CommandFailed(
    `${topics} more copies, and ${brokers} left to have one: \`ottla topic alter ${first} --replication-factor ${left}\` first`,
  );
}

/** Those that were drained before `now` get nothing, and what has come to them since goes, too. */
async function withoutDrained(
  { admin }: Carrying,
  brokers: readonly PlannedBroker[],
  now: number | null = null,
): Promise<readonly PlannedBroker[]> {
  const [living] = brokers;
  const drained = living === undefined ? null : await excludedBrokers(admin, living.id);
  const others = brokers.filter(({ id }) => id !== now && drained?.has(id));
  if (others.length > 0)
    complain(
      `drained before, and given nothing: ${others.map(({ id }) => id).join(", ")} (\`ottla cluster rebalance\` gives them copies again)`,
    );
  return brokers.map((each) => (others.includes(each) ? { ...each, mayHold: false } : each));
}

/** Topics that were made meanwhile may be on it. That a move is over, brokers learn a moment after the controller. */
async function failForWhatIsLeft({ admin, stop }: Carrying, broker: number): Promise<void> {
  let left = await copiesOn(admin, broker);
  for (let waitedMs = 0; left > 0 && waitedMs < knownMaxMs; waitedMs += lookEveryMs) {
    await sleep(lookEveryMs, undefined, { signal: stop });
    left = await copiesOn(admin, broker);
  }
  if (left > 0) throw new CommandFailed(`broker ${broker} has ${formatCount(left, "copy", "copies")} still, or again: run it once more`);
}

async function copiesOn(admin: Admin, broker: number): Promise<number> {
  const partitions = (await admin.listTopics()).flatMap((topic) => topic.partitions);
  return partitions.filter(({ replicas }) => replicas.includes(broker)).length;
}

/** So many copies of each partition of a topic. */
export async function changeCopies(carrying: Carrying, topic: string, copies: number, throttle: number | null): Promise<void> {
  const { admin, shown } = carrying;
  const [described] = await admin.describeTopics([topic]);
  if (described === undefined || described.error !== null) throw described?.error ?? new CommandFailed(`no answer about topic ${topic}`);
  const was = copiesIn(described);
  const { brokers, partitions } = await copiesToPlan(carrying, { dryRun: false, by: "bytes", bytesPerSecond: throttle });
  const chosen = await withoutDrained(carrying, brokers);
  const plan = planOf({ brokers: chosen, partitions, goal: { kind: "copies", topic, copies }, by: "bytes" });
  tellOfTrouble(plan);
  await carryOut(carrying, plan, { leadersFirst: false, throttle });
  if (shown.json) await shown.output.json({ name: topic, replicationFactor: copies, was, bytes: plan.bytes });
  else {
    const before = was === copies ? "as before" : `and had ${was}`;
    await shown.output.line(`${topic} has ${formatCount(copies, "copy", "copies")} of each partition, ${before}`);
  }
  await warnOfInsyncReplicas(admin, { topic, set: {}, copies });
}

/** Moves that are under way are waited for, unless only a plan is wanted: it is for what comes after them. */
async function copiesToPlan(carrying: Carrying, { dryRun, by, bytesPerSecond }: HowToPlan): Promise<ClusterCopies> {
  if (!dryRun) await goOnWithMoves(carrying, bytesPerSecond);
  const copies = await readCopies(carrying.admin, by);
  if (copies.moving > 0) complain(`${formatCount(copies.moving, "partition")} being moved: the plan is for what comes after that`);
  return copies;
}

/** Whoever comes back has its copies: to make others meanwhile is not for a balance to decide. */
function failForAway({ brokers, partitions }: ClusterCopies): void {
  const present = new Set(brokers.map(({ id }) => id));
  const away = partitions.flatMap(({ replicas }) => replicas.filter((id) => !present.has(id)));
  const [first] = away.toSorted((a, b) => a - b);
  if (first === undefined) return;
  const copies = formatCount(away.filter((id) => id === first).length, "copy", "copies");
  throw new CommandFailed(
    `broker ${first} is away and has ${copies}: start it, or, if it does not come back, see \`ottla cluster drain ${first} --dry-run\``,
  );
}

function planOf(input: PlanInput): Plan {
  const planned = planMoves(input);
  if (planned.refused !== null) throw new CommandFailed(planned.refused);
  return planned.plan;
}

async function showOrCarryOut(
  carrying: Carrying,
  plan: Plan,
  how: HowToPlan,
  { nothing, leadersFirst }: { readonly nothing: string; readonly leadersFirst: boolean },
): Promise<void> {
  const { output, json } = carrying.shown;
  tellOfTrouble(plan);
  if (!json) await output.write(plan.moves.length === 0 ? `${nothing}\n` : planAsText(plan, how, output.look));
  if (!how.dryRun) await carryOut(carrying, plan, { leadersFirst, throttle: how.bytesPerSecond });
  if (json) await output.json({ ...planFields(plan, how), dryRun: how.dryRun });
  else if (plan.moves.length > 0) await output.line(how.dryRun ? "nothing was changed; without --dry-run it would be" : doneLine(plan));
}

function doneLine({ moves, bytes }: Plan): string {
  return `moved ${formatCount(moves.length, "partition")}, ${formatBytes(bytes)} copied`;
}

function tellOfTrouble({ leaderless, overfull }: Plan): void {
  const [first] = leaderless;
  if (first !== undefined) {
    const others = leaderless.length === 1 ? "" : ` (and ${formatCount(leaderless.length - 1, "other")})`;
    complain(`${first.topic}-${first.partition}${others} has no leader, and so nothing to be copied from: it stays where it is`);
  }
  for (const broker of overfull) complain(`the disks of broker ${broker} have less room than it would receive`);
}
