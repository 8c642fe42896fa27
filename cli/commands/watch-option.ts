import { type Command, InvalidArgumentError } from "commander";
import { nodeRuntime } from "../../client/base/node-runtime.ts";
import { Output } from "../output/output.ts";
import { watch } from "../session/watch.ts";
import type { Shown } from "../topic/topic-commands.ts";
import type { CommonOptions } from "./command-options.ts";

export interface WatchOptions extends CommonOptions {
  /** Seconds; true: the usual pause. */
  readonly watch?: number | true;
}

const usualSeconds = 2;
const secondsMax = 86_400;

/** What every command that shows a state takes. */
export function withWatch(command: Command): Command {
  return command.option(
    "--watch [seconds]",
    `show it again every so many seconds (${usualSeconds} unless given), until Ctrl-C`,
    parseSeconds,
  );
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds < 0.1 || seconds > secondsMax)
    throw new InvalidArgumentError(`it is a number of seconds; to leave it out, write --watch behind the names.`);
  return seconds;
}

/** Writes what `show` shows: once, or with `--watch` until it is stopped. */
export async function onceOrWatched(options: WatchOptions, stop: AbortSignal, show: (shown: Shown) => Promise<void>): Promise<void> {
  const { bootstrap, json, watch: seconds } = options;
  const output = new Output(process.stdout);
  if (seconds === undefined) return show({ json, output });
  const everyMs = (seconds === true ? usualSeconds : seconds) * 1000;
  await watch((frame) => show({ json, output: frame }), { everyMs, json, bootstrap, output, clock: nodeRuntime.clock, stop });
}
