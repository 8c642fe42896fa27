import { Writable } from "node:stream";
import { ClientError } from "../../client/base/errors.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { complain, withComplaintsTo } from "../output/complaints.ts";
import { paint } from "../output/look.ts";
import { Output } from "../output/output.ts";
import { RedrawnScreen } from "../output/redrawn-screen.ts";
import { printable } from "../output/terminal-text.ts";
import { formatTime } from "../output/units.ts";
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

/** One look: what was written, and what failed, as people are told. */
interface Seen {
  readonly text: string;
  readonly failure: string | null;
}

/**
 * Shows the same again and again, until it is stopped or nobody reads any more: on a terminal in place, elsewhere one after the other
 * (texts with an empty line between them, JSON in lines). What fails at the first look ends it; later it is told, and tried again, as
 * clusters that are watched are often in trouble.
 */
export function watch(show: (output: Output) => Promise<void>, options: Watch): Promise<void> {
  return options.output.look.isTerminal && !options.json ? watchInPlace(show, options) : watchInTurn(show, options);
}

async function watchInPlace(show: (output: Output) => Promise<void>, options: Watch): Promise<void> {
  const { everyMs, output, clock } = options;
  const screen = new RedrawnScreen(output);
  let last: string | null = null;
  const draw = (problem: string | null) =>
    screen.draw(`${last ?? ""}${problemLine(problem, output)}`, `${formatTime(clock.nowMs())}  every ${everyMs / 1000} s, Ctrl-C ends`);
  // what is complained of while a look takes long is why it does
  await withComplaintsTo(
    (text) => void draw(text),
    () =>
      eachLook(show, options, async ({ text, failure }) => {
        if (failure === null || text !== "") last = text;
        await draw(failure === null ? null : `${failure}; trying again`);
      }),
  );
  await screen.end();
}

async function watchInTurn(show: (output: Output) => Promise<void>, options: Watch): Promise<void> {
  const { everyMs, json, output } = options;
  let isFirst = true;
  await eachLook(show, options, async ({ text, failure }) => {
    if (failure !== null) complain(`${failure}; trying again in ${everyMs / 1000} s`);
    if (text !== "") await output.write(isFirst || json ? text : `\n${text}`);
    isFirst = false;
  });
}

/** Until it is to end, which may be in the middle of a look. */
async function eachLook(
  show: (output: Output) => Promise<void>,
  { bootstrap, everyMs, output, clock, stop }: Watch,
  seen: (look: Seen) => Promise<void>,
): Promise<void> {
  const ended = AbortSignal.any([stop, output.closed]);
  for (let looks = 0; !ended.aborted; looks++) {
    const { text, failure } = await take(show, output);
    if (ended.aborted) return;
    if (failure !== null && text === "" && looks === 0) throw failure;
    await seen({ text, failure: failure === null ? null : explain(forPeople(failure, bootstrap)) });
    await sleep(clock, everyMs, ended).catch(() => undefined);
  }
}

async function take(
  show: (output: Output) => Promise<void>,
  real: Output,
): Promise<{ readonly text: string; readonly failure: Error | null }> {
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
  return problem === null ? "" : `${paint(`ottla: ${printable(problem)}`, "bad", look)}\n`;
}
