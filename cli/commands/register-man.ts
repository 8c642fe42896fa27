import type { Command } from "commander";
import { manPage } from "../manual/man-page.ts";
import { Output } from "../output/output.ts";

export function register(program: Command): void {
  program
    .command("man")
    .description("print the manual page; read it with: ottla man | man -l -")
    .action(() => new Output(process.stdout).write(manPage(program)));
}
