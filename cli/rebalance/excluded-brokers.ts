import type { Admin, ConfigChange } from "../../client/index.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { failForErrors } from "../session/fail-for-errors.ts";

export const excludedBrokersSetting = "ottla.auto.rebalance.excluded.brokers";

/**
 * Brokers that were drained, and have been given nothing since: what moves copies, be it a command or the controller by itself, does not
 * fill them again. `living`: any broker that can be asked. Null: brokers of this kind have no such setting.
 */
export async function excludedBrokers(admin: Pick<Admin, "describeConfigs">, living: BrokerId): Promise<ReadonlySet<BrokerId> | null> {
  const [described] = await admin.describeConfigs([{ broker: living }]);
  const value = described?.error === null ? described.configs.find(({ name }) => name === excludedBrokersSetting)?.value : null;
  if (value === undefined || value === null) return null;
  return excludedIn(value);
}

/** As the setting names them. */
export function excludedIn(value: string): ReadonlySet<BrokerId> {
  return new Set(
    value
      .split(",")
      .filter((id) => id !== "")
      .map(Number),
  );
}

/** Before brokers are emptied, and before others get copies. Returns those that were not left out before, and are now. */
export async function changeExcluded(
  admin: Pick<Admin, "describeConfigs" | "incrementalAlterConfigs">,
  living: BrokerId,
  { emptied, filled }: { readonly emptied: readonly BrokerId[]; readonly filled: readonly BrokerId[] },
): Promise<readonly BrokerId[]> {
  const before = await excludedBrokers(admin, living);
  if (before === null) return [];
  const added = emptied.filter((id) => !before.has(id));
  const removed = filled.filter((id) => before.has(id));
  // a setting is named once in a request
  for (const change of [...changesOf("append", added), ...changesOf("subtract", removed)])
    failForErrors(await admin.incrementalAlterConfigs([{ resource: { broker: null }, changes: [change] }]));
  return added;
}

function changesOf(operation: "append" | "subtract", ids: readonly BrokerId[]): ConfigChange[] {
  return ids.length === 0 ? [] : [{ name: excludedBrokersSetting, operation, value: ids.join() }];
}
