import type { Admin, GroupListing } from "../../client/index.ts";
import type { Look, Tone } from "../output/look.ts";
import { type Cell, quantity, type ShownCell, table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { shownName } from "./group-commands.ts";
import { type GroupFigures, groupFigures } from "./group-figures.ts";

type Figures = ReadonlyMap<string, GroupFigures>;

/** As Kafka names them. */
export const groupStates = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Assigning", "Reconciling", "Dead"];

/** Of groups in these states; null: in any. Brokers too old to tell states have none that matches. */
export async function listGroups(admin: Admin, states: readonly string[] | null, { output, json }: Shown): Promise<void> {
  const groups = (await admin.listGroups()).filter(({ state }) => states?.includes(state) ?? true);
  const ids = groups.map(({ groupId }) => groupId);
  const figures = await groupFigures(admin, ids, Date.now());
  if (json) return output.json(groups.map((group) => asJson(group, figures.get(group.groupId))));
  if (groups.length > 0) await output.write(groupsAsText(groups, figures, output.look));
  else if (output.look.isTerminal && states === null) await output.line("no groups: `ottla consume TOPIC --group NAME` makes one");
  if (output.look.isTerminal && figures.size < groups.length)
    await output.line(
      `of ${formatCount(groups.length - figures.size, "group")} no members and lag are known; see \`ottla group describe\``,
    );
}

/** The lag is null unless it is known in every partition: programs should not take a part for the whole. */
function asJson({ groupId, type, state, protocolType }: GroupListing, known: GroupFigures | undefined): object {
  const lag = known?.lag?.unknown === 0 ? known.lag.value : null;
  return { group: groupId, type, state, protocolType, members: known?.members ?? null, lag };
}

export function groupsAsText(groups: readonly GroupListing[], figures: Figures, look: Look): string {
  const rows = groups.map(({ groupId, type, state }): Cell[] => {
    const known = figures.get(groupId);
    return [
      shownName(groupId),
      type,
      stateCell(state),
      { text: known === undefined ? "-" : String(known.members), isQuantity: true },
      lagCell(known, look),
    ];
  });
  return table(["group", "type", "state", "members", "lag"], rows, look);
}

/** `120+`: that many, and what is in the partitions where it is not known. */
function lagCell(known: GroupFigures | undefined, look: Look): ShownCell {
  const { lag = null } = known ?? {};
  if (lag === null) return { text: "-", isQuantity: true };
  const cell = quantity(lag.value, (value) => value.toLocaleString("en"), look);
  if (lag.unknown === 0) return cell;
  return { text: lag.value === 0 ? "unknown" : `${cell.text}+`, isQuantity: true };
}

const tones: Readonly<Record<string, Tone>> = {
  Empty: "quiet",
  PreparingRebalance: "warning",
  CompletingRebalance: "warning",
  Assigning: "warning",
  Reconciling: "warning",
  Dead: "bad",
};

function stateCell(state: string): ShownCell {
  const tone = tones[state];
  return { text: state || "-", ...(tone === undefined ? {} : { tone }) };
}
