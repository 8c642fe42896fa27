import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { nodeRuntime } from "../../client/base/node-runtime.ts";
import { type Logger, silentLogger } from "../../protocol/base/logger.ts";
import { besideBar } from "./beside-bar.ts";
import { explain } from "./command-failed.ts";
import { printable } from "./terminal-text.ts";

type Complain = (text: string) => void;

const toStandardError: Complain = (text) => process.stderr.write(besideBar(`ottla: ${printable(text)}\n`));
/** The process has one standard error, whoever complains. */
let heardBy: Complain = toStandardError;

/** A line for people on standard error. */
export function complain(text: string): void {
  heardBy(text);
}

/** What is redrawn in place would be broken by lines in between: while `work` runs, complaints go to `listener`. */
export async function withComplaintsTo<T>(listener: Complain, work: () => Promise<T>): Promise<T> {
  heardBy = listener;
  try {
    return await work();
  } finally {
    heardBy = toStandardError;
  }
}

const tellingLogger: Logger = {
  ...silentLogger,
  warn: (fields, message) => complain(warningText(fields, message)),
  child: () => tellingLogger,
};

/** The machine's runtime, with the client's warnings on standard error. */
export const tellingRuntime: ClientRuntime = { ...nodeRuntime, log: tellingLogger };

/** `topic t, partition 0: message`, followed by the error's own message. */
export function warningText(fields: object, message: string): string {
  const { err, ...rest } = fields as Readonly<Record<string, unknown>>;
  const about = Object.entries(rest).map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${about.length === 0 ? "" : `${about.join(", ")}: `}${message}${err === undefined ? "" : ` (${explain(err)})`}`;
}
