import type { Admin } from "../../client/index.ts";
import { planMoves } from "../../placement/plan.ts";
import type { Plan, PlanInput, PlannedBroker } from "../../placement/plan-contract.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { formatCount } from "../output/units.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { type ClusterCopies, readCopies } from "./read-copies.ts";
import { type PlanShown, planAsText, planFields } from "./show-plan.ts";

/** What a balance would move. `only`: the brokers to spread over, and the others are emptied; null: all. */
export async function showRebalance(admin: Admin, only: readonly number[] | null, how: PlanShown, shown: Shown): Promise<void> {
  const copies = await readCopies(admin, how.by);
  const { brokers, partitions } = copies;
  const unknown = only?.find((id) => !brokers.some((each) => each.id === id));
  if (unknown !== undefined) throw new CommandFailed(`there is no broker ${unknown}: see \`ottla cluster describe\``);
  failForAway(copies);
  const chosen = brokers.map((each) => ({ ...each, mayHold: only === null || only.includes(each.id) }));
  const plan = planOf({ brokers: chosen, partitions, goal: { kind: "balance" }, by: how.by });
  await show(plan, how, "everything is balanced: nothing is to be moved", shown);
}

/** What would move so that a broker, which may be gone already, has no copies. */
export async function showDrain(admin: Admin, broker: number, how: PlanShown, shown: Shown): Promise<void> {
  const { brokers, partitions } = await readCopies(admin, how.by);
  const isThere = brokers.some(({ id }) => id === broker);
  if (!isThere && !partitions.some(({ replicas }) => replicas.includes(broker)))
    throw new CommandFailed(`there is no broker ${broker}, nor copies on one: see \`ottla cluster describe\``);
  const gone: PlannedBroker = { id: broker, rack: null, mayHold: false, roomBytes: null };
  const chosen = isThere ? brokers.map((each) => ({ ...each, mayHold: each.id !== broker })) : [...brokers, gone];
  const plan = planOf({ brokers: chosen, partitions, goal: { kind: "drain" }, by: how.by });
  await show(plan, how, `broker ${broker} has no copies that could be moved`, shown);
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

async function show(plan: Plan, how: PlanShown, nothing: string, { output, json }: Shown): Promise<void> {
  if (json) await output.json(planFields(plan, how));
  else if (plan.moves.length === 0) await output.line(nothing);
  else await output.write(`${planAsText(plan, how, output.look)}nothing was changed\n`);
  const [first] = plan.leaderless;
  if (first !== undefined) {
    const others = plan.leaderless.length === 1 ? "" : ` (and ${formatCount(plan.leaderless.length - 1, "other")})`;
    complain(`${first.topic}-${first.partition}${others} has no leader, and so nothing to be copied from: it stays where it is`);
  }
  for (const broker of plan.overfull) complain(`the disks of broker ${broker} have less room than it would receive`);
}
