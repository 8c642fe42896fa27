#!/usr/bin/env node
const args = process.argv.slice(2);
// being stopped is how it ends, also while it is being loaded; from then on it listens itself
if (args[0] === "consume" && process.listenerCount("SIGINT") === 0)
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(0);
    });
const [{ commandsFor }, { run }] = await Promise.all([import("./commands/register-commands.ts"), import("./run.ts")]);
await run(args, await commandsFor(args));

export {};
