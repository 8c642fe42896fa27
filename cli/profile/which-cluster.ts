import { parseBootstrap } from "../../client/base/client-options.ts";
import { formatAddress } from "../../protocol/base/transport.ts";
import { UsageError } from "../output/command-failed.ts";
import { withOrigin } from "../session/bootstrap-origin.ts";
import { type Profiles, requireProfile } from "./profiles.ts";

/** Where `ottla up` listens unless told otherwise. */
export const defaultCluster: readonly string[] = ["127.0.0.1:9092"];

export interface Named {
  /** Of the command line, --profile; null: not given. */
  readonly profile: string | null;
  /** OTTLA_BOOTSTRAP. */
  readonly environment: string | undefined;
  /** Looked at only when it matters. */
  readonly profiles: () => Profiles;
}

/** Which cluster a command without --bootstrap means: that of --profile, OTTLA_BOOTSTRAP, the profile in use; null: none is named. */
export function namedCluster({ profile, environment = "", profiles }: Named): readonly string[] | null {
  if (profile !== null) return ofProfile(profiles(), profile);
  if (environment.trim() !== "") return withOrigin(addressesOf(environment, "OTTLA_BOOTSTRAP"), "from OTTLA_BOOTSTRAP");
  const all = profiles();
  return all.inUse === null ? null : ofProfile(all, all.inUse);
}

function ofProfile(profiles: Profiles, name: string): readonly string[] {
  return withOrigin(addressesOf(requireProfile(profiles, name).bootstrap.join(","), `profile ${name}`), `of profile ${name}`);
}

function addressesOf(text: string, from: string): string[] {
  try {
    return addresses(text);
  } catch (error) {
    throw new UsageError(`${from}: ${error instanceof Error ? error.message : error}`);
  }
}

/** `host:port` each, as the client reads them: without a port it is 9092. Throws InvalidArgument. */
export function addresses(text: string): string[] {
  return parseBootstrap(text).map(formatAddress);
}
