import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { noProfiles, type Profiles, parseProfiles } from "./profiles.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** In the user's configuration folder; what is not absolute there is to be ignored (XDG base directory specification). */
export function profileFilePath({ XDG_CONFIG_HOME = "" }: Environment): string {
  const folder = isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : join(homedir(), ".config");
  return join(folder, "ottla", "profiles.json");
}

export function readProfiles(path: string): Profiles {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return noProfiles;
    throw new CommandFailed(`the profiles in ${path} cannot be read: ${explain(error)}`);
  }
  return parseProfiles(text, path);
}

/** Whole or not at all, and for its owner alone: it may come to hold passwords. A file that is a link stays one. */
export function writeProfiles(path: string, profiles: Profiles): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = behindLinks(path);
    const next = `${file}.${process.pid}.new`;
    rmSync(next, { force: true });
    const descriptor = openSync(next, "wx", 0o600);
    try {
      writeFileSync(descriptor, `${JSON.stringify(profiles, null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, file);
  } catch (error) {
    throw new CommandFailed(`the profiles cannot be written to ${path}: ${explain(error)}`);
  }
}

function behindLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // not there yet
  }
}
