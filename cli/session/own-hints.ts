import { KafkaProtocolError } from "../../client/base/errors.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";

/** For a command to which the usual hint would send its user back. */
export async function withOwnHints<T>(work: Promise<T>, hints: Partial<Record<KafkaProtocolError["code"], string>>): Promise<T> {
  return work.catch((error: unknown) => {
    const hint = error instanceof KafkaProtocolError ? hints[error.code] : undefined;
    throw hint === undefined ? error : new CommandFailed(`${explain(error)}; ${hint}`, { cause: error });
  });
}
