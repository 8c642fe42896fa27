import type { Output } from "../output/output.ts";
import { table } from "../output/table.ts";
import { readProfiles, writeProfiles } from "./profile-file.ts";
import { addProfile, type Profile, type Profiles, removeProfile, useProfile } from "./profiles.ts";

export interface ProfileParts {
  readonly path: string;
  readonly json: boolean;
  readonly output: Output;
}

export interface HowToAdd {
  readonly use: boolean;
  readonly replace: boolean;
}

export async function add(name: string, profile: Profile, how: HowToAdd, parts: ProfileParts): Promise<void> {
  const after = addProfile(readProfiles(parts.path), name, profile, how);
  writeProfiles(parts.path, after);
  const use = after.inUse === name ? "in use from now on" : `take it into use with \`ottla profile use ${name}\``;
  await tell(`profile ${name}: ${profile.bootstrap.join(", ")}; ${use}`, after, parts);
}

/** Null: none from now on. */
export async function use(name: string | null, parts: ProfileParts): Promise<void> {
  const after = useProfile(readProfiles(parts.path), name);
  writeProfiles(parts.path, after);
  const line = name === null ? "no profile is in use" : `profile ${name} is in use: ${after.profiles[name]?.bootstrap.join(", ")}`;
  await tell(line, after, parts);
}

export async function remove(names: readonly string[], parts: ProfileParts): Promise<void> {
  const before = readProfiles(parts.path);
  const after = names.reduce(removeProfile, before);
  writeProfiles(parts.path, after);
  const noneLeft = before.inUse !== null && after.inUse === null ? "; no profile is in use now" : "";
  await tell(`removed ${names.join(", ")}${noneLeft}`, after, parts);
}

/** Names and brokers: not what else is in the file, which may be secret. */
export async function list({ path, json, output }: ProfileParts): Promise<void> {
  const profiles = readProfiles(path);
  const names = Object.keys(profiles.profiles).sort();
  if (json) await output.json(shown(profiles, path));
  else if (names.length === 0) await output.line("no profiles; make one with `ottla profile add NAME --bootstrap HOST:PORT,…`");
  else {
    const rows = names.map((name) => [name === profiles.inUse ? "*" : "", name, profiles.profiles[name]?.bootstrap.join(",") ?? ""]);
    await output.write(table(["", "profile", "bootstrap"], rows));
  }
}

function shown({ inUse, profiles }: Profiles, path: string): object {
  return { path, inUse, profiles: Object.entries(profiles).map(([name, { bootstrap }]) => ({ name, bootstrap })) };
}

function tell(line: string, profiles: Profiles, { path, json, output }: ProfileParts): Promise<void> {
  return json ? output.json(shown(profiles, path)) : output.line(line);
}
