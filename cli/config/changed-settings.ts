import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, ConfigEntry, ConfigResource, ConfigSource } from "../../client/index.ts";
import type { Look } from "../output/look.ts";
import { table } from "../output/table.ts";
import type { SettingChanges } from "./asked-changes.ts";

/** A setting before and after a change, as text; null: it was, or is, not set here, or is not known. */
export interface ChangedSetting {
  readonly name: string;
  readonly was: string | null;
  readonly is: string | null;
}

type Settings = ReadonlyMap<string, ConfigEntry>;

const secret = "(secret)";
/** A broker learns of a change a moment after it was made. */
const [lookEveryMs, looksMax] = [50, 40];

/** Makes the changes, and tells what they changed. Where the brokers do not say what was, that is no reason not to change it. */
export async function changingSettings(
  admin: Pick<Admin, "describeConfigs">,
  resource: ConfigResource,
  changes: SettingChanges,
  change: () => Promise<void>,
): Promise<ChangedSetting[]> {
  const deleted = [...new Set(changes.delete)];
  const names = [...Object.keys(changes.set), ...deleted];
  const before = await settingsOf(admin, resource, names);
  await change();
  const after = await withoutDeleted(admin, resource, deleted);
  return names.map((name) => ({
    name,
    was: shownValue(before.get(name)),
    is: newValue(name, changes, before.get(name) ?? after.get(name), after),
  }));
}

function newValue(name: string, { set }: SettingChanges, entry: ConfigEntry | undefined, after: Settings): string | null {
  if (!Object.hasOwn(set, name)) return shownValue(after.get(name));
  return entry?.isSensitive ? secret : (set[name] ?? null);
}

function shownValue(entry: ConfigEntry | undefined): string | null {
  if (entry === undefined) return null;
  return entry.isSensitive ? secret : entry.value;
}

async function settingsOf(admin: Pick<Admin, "describeConfigs">, resource: ConfigResource, names: readonly string[]): Promise<Settings> {
  if (names.length === 0) return new Map();
  const [described] = await admin.describeConfigs([resource], { names }).catch(() => []);
  return new Map(described?.configs?.map((entry) => [entry.name, entry]));
}

/** What is in force once these are deleted. */
async function withoutDeleted(
  admin: Pick<Admin, "describeConfigs">,
  resource: ConfigResource,
  deleted: readonly string[],
): Promise<Settings> {
  for (let look = 0; look < looksMax; look++) {
    const settings = await settingsOf(admin, resource, deleted);
    if (deleted.every((name) => settings.get(name)?.source !== changedSource(resource))) return settings;
    await sleep(lookEveryMs);
  }
  return new Map();
}

/** Where the values are that a change of this resource sets and deletes. */
function changedSource(resource: ConfigResource): ConfigSource {
  if ("topic" in resource) return "topic";
  return resource.broker === null ? "dynamic-default" : "dynamic-broker";
}

export function changesAsText(changes: readonly ChangedSetting[], look: Look): string {
  if (changes.length === 0) return "";
  const rows = changes.map(({ name, was, is }) => [name, was ?? "(not set)", is ?? "(not set)"]);
  return table(["setting", "was", "is"], rows, look);
}
