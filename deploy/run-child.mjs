import { spawn } from "node:child_process";
import { whenScriptEnds } from "./script-parent.mjs";

/** Runs a program in our place: its output is ours, it gets our signals, and we exit as it exits. As an npm script it ends with npm. */
export function runInOurPlace(command, args, options = {}) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  const forward = (signal) => child.kill(signal);
  // A terminal's Ctrl-C reaches the whole process group by itself; the handler only keeps us alive until the child has exited.
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) forward("SIGINT");
  });
  process.on("SIGTERM", () => forward("SIGTERM"));
  process.on("SIGHUP", () => forward("SIGHUP"));
  whenScriptEnds(() => forward("SIGTERM"));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      process.stderr.write(`ottla: cannot run ${command}: ${error.message}\n`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGTERM" ? 15 : 9)));
  });
}

/**
 * The same for a Node program, which also exits when we are killed: the channel between us closes with us, and the program watches it.
 */
export function runNodeInOurPlace(node, args) {
  const lifeline = new URL("./lifeline.mjs", import.meta.url).href;
  return runInOurPlace(node, ["--import", lifeline, ...args], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
}
