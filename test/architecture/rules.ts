/** Bottom to top. A file imports from its own layer and from those in its row; nothing else of the project. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  "protocol/base": [],
  "protocol/errors": ["protocol/base"],
  "protocol/wire": ["protocol/base"],
  "protocol/schema": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/messages": ["protocol/base", "protocol/errors", "protocol/wire", "protocol/schema"],
  "protocol/records": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/peer": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/node": ["protocol/base"],
  "coordinator-client": ["protocol/base", "protocol/errors", "protocol/wire"],
  "broker/runtime": ["protocol"],
  "broker/log": ["broker/runtime", "protocol"],
  "broker/partition": ["broker/log", "broker/runtime", "protocol"],
  "broker/replication": ["broker/partition", "broker/log", "broker/runtime", "protocol"],
  "broker/group": ["broker/partition", "broker/log", "broker/runtime", "protocol"],
  "broker/cluster": ["broker/replication", "broker/group", "broker/partition", "broker/runtime", "protocol", "coordinator-client"],
  "broker/controller": ["broker/cluster", "broker/runtime", "protocol", "coordinator-client"],
  "broker/api": ["broker/controller", "broker/cluster", "broker/group", "broker/partition", "broker/log", "broker/runtime", "protocol"],
  "broker/peer-api": [
    "broker/api",
    "broker/controller",
    "broker/cluster",
    "broker/replication",
    "broker/partition",
    "broker/runtime",
    "protocol",
  ],
  "broker/network": ["broker/api", "broker/peer-api", "broker/runtime", "protocol"],
  broker: ["broker", "protocol", "coordinator-client"],
  client: ["protocol"],
  cli: ["client", "broker", "coordinator-client", "protocol"],
  test: ["protocol", "coordinator-client", "broker", "client", "cli", "test"],
};

/**
 * Rooms of a layer, from the bottom up: what lies in one of them imports nothing from those in its row. Where the layer's own folder is
 * named, the files directly in it are meant.
 */
export const closedRooms: Readonly<Record<string, readonly string[]>> = {
  "broker/log/segment": ["broker/log/producers", "broker/log/compaction", "broker/log/opening", "broker/log/directories"],
  "broker/log/producers": ["broker/log/compaction", "broker/log/opening", "broker/log/directories"],
  "broker/log": ["broker/log/opening", "broker/log/directories"],
  "broker/log/compaction": ["broker/log/opening", "broker/log/directories"],
  "broker/log/opening": ["broker/log/directories"],
};

/** The only files that touch the machine: the real clock, randomness, sockets, files, logs, and the process itself. */
export const realAdapters: readonly string[] = [
  "protocol/node/node-clock.ts",
  "protocol/node/node-hmac.ts",
  "protocol/node/node-random.ts",
  "protocol/node/node-transport.ts",
  "coordinator-client/zookeeper/library.ts",
  "broker/runtime/node-files.ts",
  "broker/runtime/pino-logger.ts",
  "broker/main.ts",
];

/** What is not deterministic, and so banned below `realAdapters` in the folders that the simulator runs. */
export const banned: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "the wall clock", pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/ },
  { what: "timers", pattern: /\b(setTimeout|setInterval|setImmediate)\(|\bAbortSignal\.timeout\b/ },
  { what: "randomness", pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b/ },
  { what: "the process", pattern: /(?<!")\bprocess\.(?!versions)/ },
  {
    what: "files, sockets or the system",
    pattern: /from "node:(fs|fs\/promises|net|tls|dns|http|https|os|child_process|worker_threads|timers|timers\/promises|process|crypto)"/,
  },
];

export const deterministicFolders: readonly string[] = ["protocol", "coordinator-client", "broker", "client"];

/** Lines. A file that wants to be longer usually holds two ideas. */
export const fileLinesMax = 400;

/** Columns, comments included (`npm run format` wraps them). A line that is too long only for one string or expression in it is let be. */
export const columnsMax = 140;
