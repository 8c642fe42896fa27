// Imported into a program that a wrapper of ours runs in its place (run-child.mjs): when the wrapper has exited, for whatever reason, the
// program is told to exit too.

/** A program that has not exited by itself after this long never would. */
const graceMs = 15_000;

// processes that the program starts are its own responsibility
const own = process.execArgv.findIndex((argument, index) => argument === import.meta.url && process.execArgv[index - 1] === "--import");
if (own > 0) process.execArgv.splice(own - 1, 2);

if (process.channel !== undefined && process.channel !== null) {
  process.once("disconnect", () => {
    setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs).unref();
    process.kill(process.pid, "SIGTERM");
  });
  // the channel alone does not keep the process running
  process.channel.unref();
}
