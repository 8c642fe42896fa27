import type { ConfigChange } from "./controller-service.ts";
import type { Config } from "./controller-state.ts";

/** What the controller must know of the settings of one kind of resource. */
export interface SettingRules {
  /** Null when the value is good; else a sentence that says why not. Also for names that do not exist or cannot be changed at run time. */
  fault(name: string, value: string): string | null;
  /** Null when the setting may be reset. */
  deletionFault(name: string): string | null;
  /** Comma-separated: `append` and `subtract` apply. */
  isList(name: string): boolean;
  /** The value in force when the resource has none of its own: what a list is appended to. */
  defaultValue(name: string): string | null;
  /** Null when the settings, each of them good, go together, and may replace these. */
  conflict(config: Config, current: Config): string | null;
}

export type ChangedConfig = { readonly fault: null; readonly config: Config } | { readonly fault: string };

/** The resource's settings after the change, all operations or none. */
export function changedConfig(
  current: Config,
  change: Pick<ConfigChange, "operations" | "replaceAll">,
  rules: SettingRules,
): ChangedConfig {
  const config: Record<string, string> = change.replaceAll ? {} : { ...current };
  const named = new Set<string>();
  for (const { name, operation, value } of change.operations) {
    if (name === "") return { fault: "A setting's name is empty." };
    if (named.has(name)) return { fault: `The setting ${name} is changed twice in one request.` };
    named.add(name);
    if (operation === "delete") {
      const deletionFault = rules.deletionFault(name);
      if (deletionFault !== null) return { fault: deletionFault };
      delete config[name];
      continue;
    }
    if (value === null) return { fault: `The setting ${name} is given no value.` };
    if (operation !== "set" && !rules.isList(name))
      return { fault: `The setting ${name} is not a list: it can be set or deleted, not ${operation}ed.` };
    const wanted = operation === "set" ? value : changedList(config[name] ?? rules.defaultValue(name) ?? "", operation, value);
    const fault = rules.fault(name, wanted);
    if (fault !== null) return { fault };
    config[name] = wanted;
  }
  const fault = rules.conflict(config, current);
  return fault === null ? { fault, config } : { fault };
}

/** For a topic's first settings: a null value is an error, as in Kafka. */
export function initialConfig(
  entries: readonly { readonly name: string; readonly value: string | null }[],
  rules: SettingRules,
): ChangedConfig {
  return changedConfig(
    {},
    { operations: entries.map(({ name, value }) => ({ name, value, operation: "set" as const })), replaceAll: true },
    rules,
  );
}

function changedList(current: string, operation: "append" | "subtract", value: string): string {
  const items = (text: string) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  const given = items(value);
  const [givenItems, currentItems] = [new Set(given), new Set(items(current))];
  if (operation === "subtract")
    return items(current)
      .filter((item) => !givenItems.has(item))
      .join(",");
  return [...items(current), ...given.filter((item) => !currentItems.has(item))].join(",");
}
