#!/usr/bin/env node
import { commandsFor } from "./commands/register-commands.ts";
import { run } from "./run.ts";

const args = process.argv.slice(2);
await run(args, await commandsFor(args));
