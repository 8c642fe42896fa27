import { readFileSync } from "node:fs";

const accessMode = 3;
const writeOnly = 1;

/**
 * We were started by `nohup`, on a terminal. That it makes us ignore SIGHUP cannot be seen any more, for Node undoes it at its start; but
 * in place of the terminal it gives an input that cannot be read, which nobody else does.
 */
export function isUnderNohup(): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/fdinfo/0", "utf8"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & accessMode) === writeOnly;
  } catch {
    return false; // no /proc, or no input at all
  }
}
