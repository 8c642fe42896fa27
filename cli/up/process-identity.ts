import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** A process that another one can find again: process ids are given out anew, after a restart of the machine from the beginning. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in ticks since the machine did; null where the system does not tell. */
  readonly startTicks: number | null;
  /** Containers that share a folder do not share processes. */
  readonly machine: string;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicksOf(process.pid), machine: hostname() };
}

/** Null: it cannot be seen from here. */
export function isRunning({ pid, startTicks, machine }: ProcessIdentity): boolean | null {
  if (machine !== hostname()) return null;
  return startTicks === null ? takesSignals(pid) : startTicksOf(pid) === startTicks;
}

/** Null: there is no such process any more, or this system has no /proc. */
export function startTicksOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // the second field, the command's name, may hold spaces and parentheses
    const [state, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[18]);
    return state === "Z" || state === "X" || !Number.isSafeInteger(ticks) ? null : ticks;
  } catch {
    return null;
  }
}

function takesSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
