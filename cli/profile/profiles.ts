import { CommandFailed, UsageError } from "../output/command-failed.ts";

/** How to reach a cluster. What a later version knows more of it (its security settings) is kept as it is. */
export interface Profile {
  readonly bootstrap: readonly string[];
  readonly [other: string]: unknown;
}

/** What is in the file of profiles. */
export interface Profiles {
  /** The one that commands go by; null: none. */
  readonly inUse: string | null;
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly [other: string]: unknown;
}

export const noProfiles: Profiles = { inUse: null, profiles: {} };

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Throws CommandFailed when the text is not that of such a file: to go on without it might be to go to another cluster. */
export function parseProfiles(text: string, path: string): Profiles {
  const refuse = (why: string) => new CommandFailed(`${path} ${why}; mend the file, or remove it and make the profiles again`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse("is not JSON");
  }
  if (!isObject(value) || !isObject(value.profiles)) throw refuse("holds no profiles");
  const { inUse = null, profiles } = value;
  for (const [name, profile] of Object.entries(profiles))
    if (!isObject(profile) || !Array.isArray(profile.bootstrap) || profile.bootstrap.length === 0 || !profile.bootstrap.every(isText))
      throw refuse(`says of profile ${JSON.stringify(name)} no brokers ("bootstrap": ["host:port"])`);
  if (inUse !== null && !(typeof inUse === "string" && Object.hasOwn(profiles, inUse)))
    throw refuse(`names ${JSON.stringify(inUse)} as the profile in use, which it does not have`);
  return value as unknown as Profiles;
}

export function addProfile(
  before: Profiles,
  name: string,
  profile: Profile,
  how: { readonly use: boolean; readonly replace: boolean },
): Profiles {
  if (!namePattern.test(name))
    throw new UsageError(`"${name}" cannot be a profile's name: up to 64 letters, digits, ".", "_" and "-", a letter or digit first`);
  if (Object.hasOwn(before.profiles, name) && !how.replace)
    throw new UsageError(`there is a profile ${name} already; add --replace to give it other brokers`);
  const profiles = { ...before.profiles, [name]: { ...before.profiles[name], ...profile } };
  // who makes a first profile means to use it
  const isFirst = Object.keys(before.profiles).length === 0;
  return { ...before, profiles, inUse: how.use || isFirst ? name : before.inUse };
}

/** Null: none from now on. */
export function useProfile(before: Profiles, name: string | null): Profiles {
  if (name !== null) requireProfile(before, name);
  return { ...before, inUse: name };
}

export function removeProfile(before: Profiles, name: string): Profiles {
  requireProfile(before, name);
  const { [name]: _removed, ...profiles } = before.profiles;
  return { ...before, profiles, inUse: before.inUse === name ? null : before.inUse };
}

export function requireProfile({ profiles }: Profiles, name: string): Profile {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const names = Object.keys(profiles).sort();
  throw new UsageError(
    `there is no profile ${JSON.stringify(name)}; ${names.length === 0 ? "make one with `ottla profile add`" : `there are ${names.join(", ")}`}`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
