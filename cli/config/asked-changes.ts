import type { ConfigChange } from "../../client/index.ts";
import { UsageError } from "../output/command-failed.ts";

/** The changes given by `--config` and `--delete-config`. */
export interface SettingChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly delete: readonly string[];
}

export function configChanges(changes: SettingChanges): ConfigChange[] {
  const both = changes.delete.find((name) => Object.hasOwn(changes.set, name));
  if (both !== undefined) throw new UsageError(`${both} cannot be set and deleted at once`);
  return [
    ...Object.entries(changes.set).map(([name, value]) => ({ name, operation: "set", value }) as const),
    ...[...new Set(changes.delete)].map((name) => ({ name, operation: "delete" }) as const),
  ];
}
