// Runs a program for a bounded time, and leaves nothing of it behind.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const markName = "OTTLA_BOUNDED_RUN";
const sweepPauseMs = 50;
/** A killed process is gone within milliseconds; one that hangs in the kernel is not worth waiting for. */
const sweepsMax = 100;

/**
 * After `stopAfterMs` it is asked to end (SIGTERM), `graceMs` later it is killed, and then whatever it has started, in whichever process
 * group or session: they all bear a mark in their environment. `code` is null when a signal ended it; `isLate` when it had to be stopped;
 * `left` is how many processes had to be killed after its end.
 */
export async function runBounded(command, args, { stopAfterMs, graceMs, env, ...options }) {
  const mark = randomUUID();
  const child = spawn(command, args, { ...options, env: { ...env, [markName]: mark } });
  let isLate = false;
  const stop = setTimeout(() => {
    isLate = true;
    child.kill("SIGTERM");
  }, stopAfterMs);
  const kill = setTimeout(() => child.kill("SIGKILL"), stopAfterMs + graceMs);
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(null));
    child.once("exit", resolve);
  });
  clearTimeout(stop);
  clearTimeout(kill);
  return { code, isLate, left: await killMarked(mark) };
}

/** Repeated until there is none: one may be starting another. */
async function killMarked(mark) {
  const killed = new Set();
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    const found = marked(mark);
    if (found.length === 0) break;
    for (const pid of found) {
      killed.add(pid);
      end(pid);
    }
    await sleep(sweepPauseMs);
  }
  return killed.size;
}

/** A zombie has no environment any more. */
function marked(mark) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => environmentOf(pid).includes(`${markName}=${mark}`));
}

function environmentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // gone, or somebody else's
  }
}

function end(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone meanwhile
  }
}
