import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";

/**
 * Loaded into a broker (`--import`): its writes and syncs of logs, and what it sends over the network, take as much longer as the control
 * file says. See `slow-machine.ts`.
 */
const control = process.env.SLOW_MACHINE_CONTROL ?? "";
const lookEveryMs = 50;
let delays = { diskMs: 0, networkMs: 0 };

type Call = (this: unknown, ...args: unknown[]) => void;

const { readFileSync, writev, writevSync, fdatasync } = fs;
const look = () => {
  delays = JSON.parse(readFileSync(control, "utf8"));
};
look();
setInterval(look, lookEveryMs).unref();

/** The wait holds up nobody else, as with a disk, or a line, that has a queue. */
function later(call: Call, delayMs: () => number): Call {
  return function (...args) {
    if (delayMs() > 0) setTimeout(() => call.apply(this, args), delayMs());
    else call.apply(this, args);
  };
}

Object.assign(fs, {
  writev: later(writev as Call, () => delays.diskMs),
  fdatasync: later(fdatasync as Call, () => delays.diskMs),
  writevSync(...args: Parameters<typeof writevSync>) {
    if (delays.diskMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delays.diskMs);
    return writevSync(...args);
  },
});
syncBuiltinESMExports();

// a stream hands over one piece after the other, and together what came meanwhile
const { _write, _writev } = Socket.prototype as unknown as Record<"_write" | "_writev", Call>;
Object.assign(Socket.prototype, {
  _write: later(_write, () => delays.networkMs),
  _writev: later(_writev, () => delays.networkMs),
});
