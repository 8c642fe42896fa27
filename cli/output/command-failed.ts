/** A command could not do what was asked, for a reason outside the program. Printed as one line, exit code 1. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** The command was used wrongly. Printed as one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The human-readable text of an error: its message, and those of its causes where they add something. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? explain(error.cause) : "";
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}
