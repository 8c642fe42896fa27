import { Writable } from "node:stream";
import { ClientError } from "../../client/base/errors.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { paint } from "../output/look.ts";
import { Output } from "../output/output.ts";
import { RedrawnScreen } from "../output/redrawn-screen.ts";
import { printable } from "../output/terminal-text.ts";
import { forPeople } from "./client-session.ts";

export interface Watch {
  readonly everyMs: number;
  readonly json: boolean;
  readonly bootstrap: readonly string[];
  readonly output: Output;
  readonly clock: Clock;
  /** Its end is no failure: being stopped is how watching ends. */
  readonly stop: AbortSignal;
}

/** One look: what was written, and what failed. */
interface Seen {
  readonly text: string;
  readonly failure: Error | null;
}

/**
 * Shows the same again and again, until it is stopped or nobody reads any more: on a terminal in place, elsewhere one after the other
 * (texts with an empty line between them, JSON in lines). What fails at the first look ends it; later it is told, and tried again, as
 * clusters that are watched are often in trouble.
 */
export async function watch(show: (output: Output) => Promise<void>, { bootstrap, ...options }: Watch): Promise<void> {
  const { everyMs, json, output, clock, stop } = options;
  const screen = output.look.isTerminal && !json ? new RedrawnScreen(output) : null;
  const ended = AbortSignal.any([stop, output.closed]);
  let last: string | null = null;
  while (!ended.aborted) {
    const { text, failure } = await take(show, output);
    if (ended.aborted) break;
    if (failure !== null && text === "" && last === null) throw failure;
    const problem = failure === null ? null : explain(forPeople(failure, bootstrap));
    if (screen !== null) {
      last = text === "" && failure !== null ? last : text;
      await screen.draw(`${last ?? ""}${problemLine(problem, output)}`, footer(everyMs, clock.nowMs()));
    } else {
      if (problem !== null) complain(`${problem}; trying again in ${everyMs / 1000} s`);
      if (text !== "") await output.write(last === null || json ? text : `\n${text}`);
      last = text;
    }
    await sleep(clock, everyMs, ended).catch(() => undefined);
  }
  if (last !== null) await screen?.end();
}

async function take(show: (output: Output) => Promise<void>, real: Output): Promise<Seen> {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk);
      done();
    },
  });
  const text = () => Buffer.concat(pieces).toString();
  try {
    await show(new Output(stream, () => real.look));
    return { text: text(), failure: null };
  } catch (error) {
    if (error instanceof CommandFailed || error instanceof ClientError || (error instanceof Error && error.name === "AbortError"))
      return { text: text(), failure: error };
    throw error;
  }
}

function problemLine(problem: string | null, { look }: Output): string {
  return problem === null ? "" : `${paint(`ottla: ${printable(problem)}; trying again`, "bad", look)}\n`;
}

function footer(everyMs: number, nowMs: number): string {
  return `${new Date(nowMs).toLocaleTimeString("en-GB")}  every ${everyMs / 1000} s, Ctrl-C ends`;
}
