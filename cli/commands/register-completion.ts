import { Argument, type Command } from "commander";
import { type Shell, shellScripts, shells } from "../completion/shell-scripts.ts";
import { Output } from "../output/output.ts";

export function register(program: Command): void {
  program
    .command("completion")
    .description("print the script that completes this command in a shell; the script itself says how to use it")
    .addArgument(new Argument("<shell>", "which one").choices(shells))
    .action((shell: Shell) => new Output(process.stdout).write(shellScripts[shell]));
}
