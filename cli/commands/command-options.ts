import { type Command, InvalidArgumentError, Option } from "commander";
import { profileFilePath, readProfiles } from "../profile/profile-file.ts";
import { addresses, defaultCluster, namedCluster } from "../profile/which-cluster.ts";
import { withFacts, withOrigin } from "../session/bootstrap-origin.ts";
import { localAddresses, localCluster, usualFolder } from "../up/local-cluster.ts";

export interface CommonOptions {
  readonly bootstrap: readonly string[];
  readonly json: boolean;
}

/** What every command that talks to a cluster takes. Which one it is, is settled before the command runs. */
export function withCommonOptions(command: Command): Command {
  const about =
    "brokers to start from; unless given, those of OTTLA_BOOTSTRAP, else of the profile in use (`ottla profile`), else of `ottla up` here";
  return command
    .option("--bootstrap <host:port,...>", about, parseBootstrap, [...defaultCluster])
    .addOption(new Option("--profile <name>", "the cluster of this profile").conflicts("bootstrap"))
    .option("--json", "print JSON, for programs", false)
    .hook("preAction", (_, called) => settleCluster(called, process.env));
}

function settleCluster(called: Command, environment: NodeJS.ProcessEnv): void {
  if (called.getOptionValueSource("bootstrap") === "default") {
    const { profile = null } = called.opts<{ readonly profile?: string }>();
    const profiles = () => readProfiles(profileFilePath(environment));
    const named = namedCluster({ profile, environment: environment.OTTLA_BOOTSTRAP, profiles });
    called.setOptionValueWithSource("bootstrap", named ?? unnamedCluster(), "config");
  }
  withFacts(called.opts<CommonOptions>().bootstrap, { advice: adviceHere });
}

function adviceHere(): string | null {
  if (localCluster().kind !== "runs") return null;
  return `the one of \`ottla up\` in ${usualFolder} runs: see \`ottla status\`, or name another with --bootstrap`;
}

/** That of `ottla up` in the working directory, all its brokers: one of them may be gone. */
function unnamedCluster(): readonly string[] {
  const addresses = localAddresses();
  if (addresses !== null) return withOrigin(addresses, `of \`ottla up\` in ${usualFolder}`);
  return withFacts([...defaultCluster], { isVain: () => localCluster().kind === "none" });
}

/** A command without --bootstrap does not go to where `ottla up` listens by default. */
export function namesAnotherCluster(environment: NodeJS.ProcessEnv): boolean {
  const profiles = () => readProfiles(profileFilePath(environment));
  try {
    return namedCluster({ profile: null, environment: environment.OTTLA_BOOTSTRAP, profiles }) !== null;
  } catch {
    return true; // it goes nowhere until that is mended
  }
}

export function parseBootstrap(text: string): string[] {
  try {
    return addresses(text);
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
  }
}

/** A parser for a whole number within bounds, both included. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

const dayInSeconds = 86_400;

/** A parser for seconds, with fractions, up to a day. */
export function seconds(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value < min || value > dayInSeconds)
      throw new InvalidArgumentError(`must be a number of seconds from ${min} to ${dayInSeconds}.`);
    return value;
  };
}

export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}
