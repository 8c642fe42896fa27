import type { TopicPattern } from "../../client/group/topic-watch.ts";
import type { Admin } from "../../client/index.ts";
import { CommandFailed } from "../output/command-failed.ts";

/** Names as they were given, and in the place of patterns the groups that these match now. Rejects for patterns that match none. */
export async function namedGroups(admin: Pick<Admin, "listGroups">, patterns: readonly TopicPattern[]): Promise<string[]> {
  if (patterns.every((pattern) => typeof pattern === "string")) return [...new Set(patterns)];
  const names = (await admin.listGroups()).map(({ groupId }) => groupId);
  const found = patterns.flatMap((pattern) => {
    if (typeof pattern === "string") return pattern;
    const matching = names.filter((name) => pattern.test(name));
    if (matching.length === 0) throw new CommandFailed(`no group matches ${pattern}; see \`ottla group list\``);
    return matching;
  });
  return [...new Set(found)];
}
