import { createInterface } from "node:readline/promises";
import { CommandFailed, UsageError } from "../output/command-failed.ts";
import { printable } from "../output/terminal-text.ts";
import { formatCount } from "../output/units.ts";

/** Where a person can be asked. */
export interface Asking {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  readonly stop: AbortSignal;
}

const alsoGone = { topic: "with all their records", group: "with all their positions" } as const;

/**
 * A pattern may match more than was meant: shows the topics or groups, and asks. Rejects unless the answer is yes; where nobody can be
 * asked, says what would be deleted and how to say yes beforehand.
 */
export async function confirmDeletion(
  what: keyof typeof alsoGone,
  names: readonly string[],
  { input, output, stop }: Asking,
): Promise<void> {
  const count = formatCount(names.length, what);
  if (!input.isTTY || !output.isTTY)
    throw new UsageError(
      `that matches ${count}: ${names.map(printable).join(", ")}; add --yes to delete ${names.length === 1 ? "it" : "them"}`,
    );
  output.write(names.map((name) => `  ${printable(name)}\n`).join(""));
  const asking = createInterface({ input, output });
  // its own Ctrl-C would leave the command waiting
  asking.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const closed = new AbortController();
  asking.once("close", () => closed.abort()); // Ctrl-D
  try {
    const question = `delete ${count} ${alsoGone[what]}? [y/N] `;
    const answer = await asking.question(question, { signal: AbortSignal.any([stop, closed.signal]) }).catch(() => "");
    stop.throwIfAborted();
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailed("nothing was deleted");
  } finally {
    asking.close();
  }
}
