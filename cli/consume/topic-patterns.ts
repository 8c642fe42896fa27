import { InvalidArgumentError } from "commander";
import { Admin } from "../../client/admin/admin.ts";
import type { TopicPattern } from "../../client/group/topic-watch.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { tellWaits } from "../output/tell-waits.ts";
import { requireTopic } from "./require-topic.ts";

/** A topic's name, a pattern with `*` and `?`, or `/a regular expression/`: no topic's name has these characters. */
export function parseTopicPattern(text: string): TopicPattern {
  const expression = /^\/(.*)\/(i?)$/s.exec(text);
  if (expression !== null) return compiled(expression[1] ?? "", expression[2]);
  if (!/[*?]/.test(text)) return text;
  const parts = [...text].map((each) => (each === "*" ? ".*" : each === "?" ? "." : each.replace(/[\\^$.|+()[\]{}]/, "\\$&")));
  return compiled(`^${parts.join("")}$`);
}

/** A regular expression, bare or as `/…/i`. */
export function parseExpression(text: string): RegExp {
  const expression = /^\/(.*)\/([iu]*)$/s.exec(text);
  return expression === null ? compiled(text) : compiled(expression[1] ?? "", expression[2]);
}

function compiled(source: string, flags = ""): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new InvalidArgumentError(`it is no regular expression: ${(error as Error).message}.`);
  }
}

/** Collects a variadic argument. */
export function collectPattern(text: string, previous: readonly TopicPattern[] = []): TopicPattern[] {
  return [...previous, parseTopicPattern(text)];
}

/** Those that the expression matches. Topics of the brokers' own are matched only by what begins with their underscores. */
function matching(names: readonly string[], expression: RegExp, mayBeNone: boolean): string[] {
  const isForInternal = /^\^?__/.test(expression.source);
  const found = names.filter((name) => expression.test(name) && (isForInternal || !name.startsWith("__")));
  if (found.length === 0 && !mayBeNone) throw new CommandFailed(`no topic matches ${expression}; see \`ottla topic list\``);
  return found;
}

/** Names as they were given, and in the place of patterns the topics that these match now. Rejects for patterns that match none. */
export async function namedTopics(
  admin: Pick<Admin, "listTopics">,
  patterns: readonly TopicPattern[],
  { mayMatchNone = false }: { readonly mayMatchNone?: boolean } = {},
): Promise<string[]> {
  if (patterns.every((pattern) => typeof pattern === "string")) return [...new Set(patterns)];
  const names = (await admin.listTopics()).map(({ name }) => name);
  return [...new Set(patterns.flatMap((pattern) => (typeof pattern === "string" ? pattern : matching(names, pattern, mayMatchNone))))];
}

/**
 * The topics that these mean now, sorted by name where a pattern found them. Rejects for a name that is no topic's, and for patterns that
 * match none.
 */
export async function topicsNow(bootstrap: readonly string[], patterns: readonly TopicPattern[], stop: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    if (typeof pattern !== "string") continue;
    await requireTopic(bootstrap, pattern, stop);
    found.add(pattern);
  }
  const expressions = patterns.filter((pattern) => typeof pattern !== "string");
  if (expressions.length === 0) return [...found];
  await using admin = tellWaits(new Admin({ bootstrap, clientId: "ottla-consume", signal: stop }));
  for (const name of await namedTopics(admin, expressions)) found.add(name);
  return [...found];
}
