import { channel } from "node:diagnostics_channel";
import { silentLogger } from "../../protocol/base/logger.ts";
import { nodeClientClock } from "../../protocol/node/node-clock.ts";
import { nodeRandom } from "../../protocol/node/node-random.ts";
import { nodeTransport } from "../../protocol/node/node-transport.ts";
import type { ClientRuntime } from "./client-runtime.ts";

/** The machine's clock, sockets, randomness and diagnostics channels; no logs. */
export const nodeRuntime: ClientRuntime = {
  clock: nodeClientClock,
  transport: nodeTransport,
  random: nodeRandom,
  log: silentLogger,
  diagnostics: (name) => channel(name),
};
