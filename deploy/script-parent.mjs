// A program that is an npm script ends with it. npm starts a shell, which passes no signal on: killed, they left the program running. Who
// wants it to go on without them says so in the script (`&`, nohup, setsid), or starts it without npm: then nothing is watched. What was
// started in the background as a whole (`nohup npm start &`) has npm as before.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const checkMs = 500;

/** `a && b` waits for b; a single `&` does not. */
const goesOnByItself = /(?<![&>])&(?![&>\d])|\b(?:nohup|setsid|disown|daemonize|start-stop-daemon|systemd-run)\b/;
/** As a program, or as the program that Node runs; npm shows its arguments as part of its name. */
const packageManager = /(?:^|\/)(?:npm|npx|pnpm|yarn|yarnpkg|bun)(?:-cli)?(?:\.[cm]?js)?(?:\s|$)/;

/**
 * The processes whose end is that of the script, as pairs of a process and its parent, or none where the program is not to end with them:
 * `script` (npm_lifecycle_script) is not what runs `program` here, or leaves it behind on purpose. `commandLine` and `parentOf` are null
 * for a process that cannot be looked at.
 */
export function scriptProcesses({ script, program, pid, commandLine, parentOf }) {
  if (!script || !program || goesOnByItself.test(script) || !script.split(/[\s;&|()'"]+/).some((word) => basename(word) === program))
    return [];
  const parent = parentOf(pid);
  if (parent === null) return [];
  const ours = [pid, parent];
  const command = commandLine(parent);
  // the script is an argument of its shell, with what the user added; many shells become the program that they run last
  if (command?.some((argument) => argument.startsWith(script))) return [ours, [parent, parentOf(parent)]];
  return command?.some((argument) => packageManager.test(argument)) ? [ours] : [];
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return null;
  }
}

/** Of our own the system tells it everywhere. After the command's name, which may hold anything, come the state and the parent. */
function parentOf(pid) {
  if (pid === process.pid) return process.ppid;
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null;
  }
}

// looked at as early as possible: what ends while things are installed has ended, too
const watched = scriptProcesses({
  script: process.env.npm_lifecycle_script,
  program: basename(process.argv[1] ?? ""),
  pid: process.pid,
  commandLine,
  parentOf,
});

/** Calls back once when npm, or the shell between us, is gone. Does not keep the process running. */
export function whenScriptEnds(ended) {
  if (watched.length === 0) return;
  const check = () => {
    if (watched.every(([pid, parent]) => parentOf(pid) === parent)) return;
    clearInterval(timer);
    ended();
  };
  const timer = setInterval(check, checkMs);
  timer.unref();
  // with nohup the program is to go on when its terminal goes; npm does not, for Node forgets that nohup made it deaf
  if (isUnderNohup()) process.once("SIGHUP", () => clearInterval(timer));
  check();
}

/** In place of a terminal nohup gives an input that cannot be read, which nobody else does. */
function isUnderNohup() {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/fdinfo/0", "utf8"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & 3) === 1;
  } catch {
    return false;
  }
}
