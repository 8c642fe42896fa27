import { explain } from "../output/command-failed.ts";
import { formatCount } from "../output/units.ts";
import { BadLine, isOfItsBatch, isOfTheLine } from "./bad-line.ts";
import type { LineFailure } from "./ship-lines.ts";

export interface StopFacts {
  /** What the lines came from, for people. */
  readonly input: string;
  readonly failure: LineFailure;
  /** Of the failure, with a hint where there is one. */
  readonly reason: string;
  readonly acknowledged: number;
  readonly failed: number;
  /** Of those that failed: sent, and it is not known what came of it. */
  readonly inDoubt: number;
  readonly goOn: GoOn;
}

/** How a later run continues without sending again what is stored. */
export type GoOn =
  /** `--resume` with this text. */
  | { readonly kind: "lines"; readonly text: string }
  /** With the file that remembers how far a followed file is stored. */
  | { readonly kind: "position-file"; readonly path: string }
  | { readonly kind: "unknown" };

/** Which line, why, how many are stored, and how to go on. One line for people. */
export function whyStopped({ input, failure: { line, error }, reason, acknowledged, failed, inDoubt, goOn }: StopFacts): string {
  const which = `line ${line.toLocaleString("en")} of ${input}`;
  const together = isOfItsBatch(error) ? `, or a line that was sent together with it,` : "";
  const what = error instanceof BadLine ? `${which} ${error.message}` : `${which}${together} was not stored: ${reason}`;
  const more = failed > 1 ? ` (nor were ${formatCount(failed - 1, "more line")})` : "";
  const stored = `${formatCount(acknowledged, "line")} of this run ${acknowledged === 1 ? "is" : "are"} stored`;
  const doubt = inDoubt === 0 ? "" : `; ${doubtText(which, failed, inDoubt)}`;
  return `${what}${more}; ${stored}${doubt}; ${howToGoOn(goOn, isOfTheLine(error), inDoubt > 0)}`;
}

function doubtText(which: string, failed: number, inDoubt: number): string {
  const many = formatCount(failed, "line");
  const lines = failed === 1 ? which : inDoubt === failed ? `the ${many} not acknowledged` : `${inDoubt} of the ${many} not acknowledged`;
  return `${lines} had been sent, and may be there twice once sent again`;
}

/** A signal ended the run between two lines of an input that goes on. */
export function whereStopped(input: string, lastLine: number, goOn: GoOn): string {
  return `stopped after line ${lastLine.toLocaleString("en")} of ${input}, before its end; ${howToGoOn(goOn, false, false)}`;
}

/** A second signal ended the run while lines were waited for. */
export function whyAbandoned(input: string, { failed, inDoubt }: Pick<StopFacts, "failed" | "inDoubt">, goOn: GoOn): string {
  return `ended at once; ${doubtText(`a line of ${input}`, failed, inDoubt)}; ${howToGoOn(goOn, false, true)}`;
}

function howToGoOn(goOn: GoOn, isSkippable: boolean, isInDoubt: boolean): string {
  switch (goOn.kind) {
    case "lines": {
      const resume = `--resume ${goOn.text}`;
      return isSkippable
        ? `to go on without duplicates, mend the line and add ${resume}, or leave it out with --skip-bad ${resume}`
        : `to go on${isInDoubt ? "" : " without duplicates"}, repeat the command with ${resume}`;
    }
    case "position-file":
      return isSkippable
        ? `${goOn.path} has where the next run goes on: mend the line first, or leave it out with --skip-bad`
        : `${goOn.path} has where the next run goes on`;
    case "unknown":
      return `with --position-file, a later run would go on there${isSkippable ? "; --skip-bad leaves such lines out" : ""}`;
  }
}

/** What `explain` gives, for a line that was left out. */
export function whySkipped(line: number, input: string, error: Error): string {
  const which = `line ${line.toLocaleString("en")} of ${input}`;
  return error instanceof BadLine ? `left out: ${which} ${error.message}` : `left out: ${which}: ${explain(error)}`;
}
