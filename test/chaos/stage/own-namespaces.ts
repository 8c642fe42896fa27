import { type ChildProcess, spawn, spawnSync } from "node:child_process";

/** In the environment of a run that has namespaces of its own. Not `OTTLA_…`: brokers read those. */
const insideMark = "CHAOS_INSIDE";
const flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
const asRoot = ["--user", "--map-root-user"];
const stopMessage = "stop";
/** kafkajs sets timers that are due already. */
const nodeFlags = ["--disable-warning=TimeoutNegativeWarning"];

/**
 * Namespaces of our own for network, mounts and processes. With them links can be cut by the kernel's own rules, disks can be small, and
 * nothing outlives us: when the first process of a process namespace ends, however it ends, the kernel ends all others in it; networks and
 * mounts go with the last process that uses them.
 */
export function isInside(): boolean {
  return process.env[insideMark] === "1";
}

/** The arguments of `unshare` that work here: for root, or for anyone where users may have namespaces; null: neither. */
export function possibleFlags(): readonly string[] | null {
  if (process.platform !== "linux") return null;
  const probe = "ip link add chaos0 type veth peer name chaos1 && iptables -A INPUT -s 10.9.9.9 -j DROP";
  for (const wanted of process.getuid?.() === 0 ? [flags] : [[...asRoot, ...flags]]) {
    const { status } = spawnSync("unshare", [...wanted, "sh", "-c", probe], { stdio: "ignore" });
    if (status === 0) return wanted;
  }
  return null;
}

/** Runs this very program again with the same arguments, inside. Our signals are passed on as a message; resolves with its exit code. */
export function runInside(unshareFlags: readonly string[]): Promise<number> {
  const [program = "", ...args] = process.argv.slice(1);
  const child = spawn("unshare", [...unshareFlags, process.execPath, ...process.execArgv, ...nodeFlags, program, ...args], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, [insideMark]: "1" },
    detached: true, // a terminal's Ctrl-C reaches us alone
  });
  passOnSignals(child);
  return new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function passOnSignals(child: ChildProcess): void {
  let count = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      count++;
      if (count > 1 || !child.connected) child.kill("SIGKILL");
      else child.send(stopMessage);
    });
  }
}

/** Aborted by the first signal, or when the process that started us wants us to stop, or is gone; a second signal ends us at once. */
export function stopSignal(say: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    say("stopping");
    controller.abort(new Error("stopped"));
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
  if (process.channel) {
    process.on("message", (message) => {
      if (message === stopMessage) stop();
    });
    process.once("disconnect", stop);
    process.channel.unref();
  }
  return controller.signal;
}
