import type { Command } from "commander";
import { registerBroker } from "./broker.ts";
import { registerUp } from "./up.ts";

export function registerCommands(program: Command): void {
  registerUp(program);
  registerBroker(program);
}
