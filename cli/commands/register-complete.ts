import type { Command } from "commander";
import { complete, completionText } from "../completion/candidates.ts";
import { valueFinder } from "../completion/find-values.ts";
import { Output } from "../output/output.ts";

/** For the scripts of `ottla completion`: what may stand in place of the last word. */
export function register(program: Command): void {
  program
    .command("complete", { hidden: true })
    .argument("[word...]")
    .action(async (words: readonly string[]) => {
      // the client's timers do not keep the process alive
      const alive = setInterval(() => {}, 2 ** 30);
      const completion = await complete(program, words, valueFinder(process.env)).finally(() => clearInterval(alive));
      await new Output(process.stdout).write(completionText(completion));
    });
}
