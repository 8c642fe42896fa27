import { nearestName } from "../../../protocol/base/nearest-name.ts";
import { MissingSetting } from "./broker-settings.ts";
import { ConflictingSettings } from "./conflicts.ts";
import { ListenerProblem } from "./listeners.ts";
import { parseProperties } from "./properties.ts";
import type { SettingTexts } from "./resolve.ts";
import { brokerSettingsByName } from "./setting-groups.ts";
import { whyNotHere } from "./settings-without-effect.ts";
import { type BrokerSettings, brokerSettings } from "./start-settings.ts";
import { invalidText } from "./validate.ts";

/** Where a starting broker's settings may come from; the later ones win: file, `KAFKA_…`, `OTTLA_…`, overrides. */
export interface ConfigInputs {
  /** The text of a `server.properties`; null: none was given. */
  readonly fileText: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `key=value`, as given with `--set`. */
  readonly overrides: readonly string[];
  /** The machine's own name, advertised where a listener's host is empty. */
  readonly hostname: string;
}

export interface ReadConfig {
  readonly settings: BrokerSettings;
  /** What was set, by name: the static layer below the dynamic settings. */
  readonly texts: SettingTexts;
  /** One line each; nothing that keeps the broker from starting. */
  readonly warnings: readonly string[];
}

/** The settings are not usable: one line for each problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Throws ConfigError. */
export function readConfig(inputs: ConfigInputs): ReadConfig {
  const warnings: string[] = [];
  const problems: string[] = [];
  const texts: Record<string, string> = {};
  const take = (name: string, text: string, from: string) => {
    const setting = brokerSettingsByName.get(name);
    if (setting === undefined) return warnings.push(unknownLine(name, from));
    const problem = invalidText(setting, text);
    if (problem !== null) return problems.push(`${problem} (${from})`);
    texts[name] = text;
    return undefined;
  };
  for (const [name, text] of parseProperties(inputs.fileText ?? "")) take(name, text, "configuration file");
  for (const { name, text, variable } of fromEnvironment(inputs.environment, warnings)) take(name, text, variable);
  for (const override of inputs.overrides) {
    const at = override.indexOf("=");
    if (at <= 0) problems.push(`--set ${override}: must be NAME=VALUE.`);
    else take(override.slice(0, at).trim(), override.slice(at + 1), "--set");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const idle = Object.keys(texts).filter((name) => brokerSettingsByName.get(name)?.withoutEffect != null);
  if (idle.length > 0) warnings.push(`without effect here, as docs/configuration.md says: ${idle.sort().join(", ")}`);
  return { settings: settled(texts, inputs.hostname), texts, warnings };
}

function settled(texts: SettingTexts, hostname: string): BrokerSettings {
  try {
    return brokerSettings(texts, hostname);
  } catch (error) {
    const isTheirs = error instanceof ListenerProblem || error instanceof MissingSetting || error instanceof ConflictingSettings;
    if (isTheirs) throw new ConfigError([error.message]);
    throw error;
  }
}

function unknownLine(name: string, from: string): string {
  const why = whyNotHere(name);
  if (why !== null) return `${from}: the setting "${name}" has no effect: ${why}`;
  const near = nearestName(name, brokerSettingsByName.keys());
  return `${from}: the setting "${name}" is not known and has no effect${near === null ? "" : `; did you mean ${near}?`}`;
}

/** Those of the command, which a broker inherits from whoever started it. */
const notSettings: ReadonlySet<string> = new Set(["OTTLA_BOOTSTRAP", "OTTLA_DEBUG"]);

/** `KAFKA_` first, so that `OTTLA_` wins. Other `KAFKA_…` variables belong to Kafka's images and scripts, and are silently ignored. */
function fromEnvironment(environment: ConfigInputs["environment"], warnings: string[]) {
  const found: { readonly name: string; readonly text: string; readonly variable: string }[] = [];
  for (const prefix of ["KAFKA_", "OTTLA_"]) {
    for (const variable of Object.keys(environment).sort()) {
      const text = environment[variable];
      if (text === undefined || !variable.startsWith(prefix) || notSettings.has(variable)) continue;
      const dotted = variable.slice(prefix.length).toLowerCase().replaceAll("_", ".");
      const name = brokerSettingsByName.has(dotted) ? dotted : `ottla.${dotted}`;
      if (brokerSettingsByName.has(name)) found.push({ name, text, variable });
      else if (prefix === "OTTLA_") warnings.push(unknownLine(dotted, variable));
    }
  }
  return found;
}
