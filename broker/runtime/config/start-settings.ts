import { MissingSetting } from "./broker-settings.ts";
import { ConflictingSettings, checkTogether } from "./conflicts.ts";
import { resolveListeners } from "./listeners.ts";
import { groupedSettings, type SettingTexts } from "./resolve.ts";
import type { GroupedSettings } from "./setting-groups.ts";

/** The settings of a starting broker, as its code uses them. */
export type BrokerSettings = ReturnType<typeof brokerSettings>;
export type NetworkSettings = GroupedSettings["network"];
export type LoggingSettings = GroupedSettings["logging"];

/** `hostname`: advertised where a listener's host is empty. Throws MissingSetting, ListenerProblem or ConflictingSettings. */
export function brokerSettings(texts: SettingTexts, hostname: string) {
  const layers = { dynamic: {}, dynamicDefault: {}, static: texts };
  const { identity, listeners, ...groups } = groupedSettings(layers);
  const { brokerId, rack } = identity;
  checkTogether(layers, { identity, listeners, ...groups });
  const logDirectories = directoriesOf(identity);
  return { ...groups, brokerId, rack, logDirectories, listeners: resolveListeners({ ...listeners, hostname }) };
}

/** Absolute paths; at least one, each once. */
function directoriesOf({ logDirectories, logDirectory }: GroupedSettings["identity"]): readonly string[] {
  const named = logDirectories ?? (logDirectory ? [logDirectory] : []);
  const directories = named.map((directory) => directory.replace(/(?<=.)\/+$/, ""));
  if (directories.length === 0) throw new MissingSetting("log.dirs must be given: the directories that hold this broker's logs");
  const twice = directories.find((directory, index) => directories.indexOf(directory) !== index);
  if (twice !== undefined) throw new ConflictingSettings(`log.dirs names ${twice} twice`);
  return directories;
}
