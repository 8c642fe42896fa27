/** A command could not do what was asked, for a reason outside the program. Printed as one line, exit code 1. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** A signal ended the command with a part of its work left. Printed as one line, exit code 130. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** As shells have it for a program that SIGINT ended. */
export const exitInterrupted = 130;

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
