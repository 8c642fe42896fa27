import type { Admin, BrokerMetadata } from "../../client/index.ts";
import { configChanges, type SettingChanges } from "../config/asked-changes.ts";
import { changesAsText, changingSettings } from "../config/changed-settings.ts";
import { configHead, configRow, describedConfigs, type ShownConfig } from "../config/show-configs.ts";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import type { Look } from "../output/look.ts";
import type { Output } from "../output/output.ts";
import { table } from "../output/table.ts";
import { failForErrors } from "../session/fail-for-errors.ts";

/** Settings of brokers, as `cluster describe --configs` shows them. */
export interface BrokerConfigs {
  /** Null: those set at run time for all brokers. */
  readonly broker: number | null;
  readonly configs: readonly ShownConfig[];
}

/**
 * Of one broker: all of its settings. Of the cluster: what is set at run time for all brokers, and what each broker has that is not the
 * default.
 */
export async function brokerConfigs(admin: Admin, brokers: readonly BrokerMetadata[], only: number | null): Promise<BrokerConfigs[]> {
  if (only !== null) {
    demandLiving(only, brokers);
    return [{ broker: only, configs: await describedConfigs(admin, { broker: only }) }];
  }
  const all = { broker: null, configs: await describedConfigs(admin, { broker: null }) };
  const each = await Promise.all(
    brokers.map(async ({ id }) => {
      const configs = await describedConfigs(admin, { broker: id });
      return { broker: id, configs: configs.filter(({ source }) => source !== "default") };
    }),
  );
  return [all, ...each];
}

export function brokerConfigsAsText(described: readonly BrokerConfigs[], look: Look): string {
  const rows = described.flatMap(({ broker, configs }) =>
    configs.map((config) => [broker === null ? "all" : String(broker), ...configRow(config)]),
  );
  return table(["broker", ...configHead], rows, look, { lastMayGoBelow: true });
}

/** `broker` null: all brokers. */
export async function alterCluster(
  admin: Admin,
  broker: number | null,
  changes: SettingChanges,
  { output, json }: { readonly output: Output; readonly json: boolean },
): Promise<void> {
  const configs = configChanges(changes);
  if (configs.length === 0) throw new UsageError("nothing to alter: give --config or --delete-config");
  if (broker !== null) demandLiving(broker, (await admin.describeCluster()).brokers);
  const changed = await changingSettings(admin, { broker }, changes, async () =>
    failForErrors(await admin.incrementalAlterConfigs([{ resource: { broker }, changes: configs }])),
  );
  if (json) return output.json({ broker, ...changes, changed });
  await output.line(broker === null ? "altered all brokers" : `altered broker ${broker}`);
  await output.write(changesAsText(changed, output.look));
}

function demandLiving(broker: number, brokers: readonly BrokerMetadata[]): void {
  if (!brokers.some(({ id }) => id === broker)) throw new CommandFailed(`there is no broker ${broker}: see ottla cluster describe`);
}
