import { readFile } from "node:fs/promises";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { replaceFile } from "../produce/replace-file.ts";

/** A topic of a cluster, and no other that has its name later. */
export interface TopicIdentity {
  readonly cluster: string;
  readonly topic: string;
  readonly topicId: string;
}

/**
 * How far a copy is: everything before `sourcePositions` is stored in the target, before `targetEnds`; of what comes after, copies are
 * only after them. Both by partition.
 */
export interface CopyPosition {
  readonly source: TopicIdentity;
  readonly target: TopicIdentity;
  readonly keepsPartitions: boolean;
  readonly sourcePositions: readonly number[];
  readonly targetEnds: readonly number[];
}

const version = 1;

/** Remembers over restarts how far a copy is. */
export class CopyPositionFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Null: there is none yet. Throws when it is of another copy than `expected`. */
  async read(expected: Pick<CopyPosition, "source" | "target" | "keepsPartitions">): Promise<CopyPosition | null> {
    const content = await readFile(this.#path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw new CommandFailed(`the position file cannot be read: ${explain(error)}`);
    });
    if (content === null) return null;
    const position = parseCopyPosition(content);
    const hint = "name another with --position-file, or remove it to start over";
    if (position === null) throw new CommandFailed(`${this.#path} is not a position file of a copy; ${hint}`);
    const difference = firstDifference(position, expected);
    if (difference !== null) throw new CommandFailed(`${this.#path} is of another copy: ${difference}; ${hint}`);
    return position;
  }

  /** Replaces the file atomically. */
  write(position: CopyPosition): Promise<void> {
    return replaceFile(this.#path, `${JSON.stringify({ version, ...position }, null, 2)}\n`);
  }
}

/** Null when it is anything else. */
export function parseCopyPosition(content: string): CopyPosition | null {
  try {
    const parsed = JSON.parse(content) as CopyPosition & { readonly version: number };
    const { source, target, keepsPartitions, sourcePositions, targetEnds } = parsed;
    const isSound =
      parsed.version === version &&
      isIdentity(source) &&
      isIdentity(target) &&
      typeof keepsPartitions === "boolean" &&
      areOffsets(sourcePositions) &&
      areOffsets(targetEnds);
    return isSound ? { source, target, keepsPartitions, sourcePositions, targetEnds } : null;
  } catch {
    return null;
  }
}

function isIdentity({ cluster, topic, topicId }: TopicIdentity): boolean {
  return [cluster, topic, topicId].every((each) => typeof each === "string");
}

function areOffsets(values: unknown): boolean {
  return Array.isArray(values) && values.every((value) => Number.isSafeInteger(value) && value >= 0);
}

type Expected = Pick<CopyPosition, "source" | "target" | "keepsPartitions">;

function firstDifference(found: Expected, expected: Expected): string | null {
  for (const side of ["source", "target"] as const) {
    const [was, is] = [found[side], expected[side]];
    if (was.topic !== is.topic) return `its ${side} is ${was.topic}, not ${is.topic}`;
    if (was.cluster !== is.cluster) return `its ${side} is in cluster ${was.cluster}, not ${is.cluster}`;
    if (was.topicId !== is.topicId) return `topic ${is.topic} was deleted and created anew since`;
  }
  if (found.keepsPartitions === expected.keepsPartitions) return null;
  return `it was ${found.keepsPartitions ? "" : "not "}begun with --keep-partitions`;
}
