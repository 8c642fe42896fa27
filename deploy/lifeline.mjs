// Imported into a program that a wrapper of ours runs in its place (run-child.mjs): when the wrapper is gone, however it ended, the program
// is told to end too.

/** Who has not ended by itself then never would. */
const graceMs = 15_000;

// processes that the program starts are its own affair
const own = process.execArgv.findIndex((argument, index) => argument === import.meta.url && process.execArgv[index - 1] === "--import");
if (own > 0) process.execArgv.splice(own - 1, 2);

if (process.channel !== undefined && process.channel !== null) {
  process.once("disconnect", () => {
    setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs).unref();
    process.kill(process.pid, "SIGTERM");
  });
  // the channel alone is no reason to go on
  process.channel.unref();
}
