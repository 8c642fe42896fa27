/**
 * Bottom to top: a row names only layers of rows above it. A file imports from its own layer and from what is in its row, nothing else of
 * the project; what a row allows is made use of. Where a row names one file of a layer, that file is the only door to it.
 */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  "protocol/base": [],
  "protocol/errors": [],
  "protocol/wire": ["protocol/base"],
  "protocol/schema": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/messages": ["protocol/base", "protocol/wire", "protocol/schema"],
  "protocol/records": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/peer": ["protocol/base", "protocol/errors", "protocol/wire"],
  "protocol/node": ["protocol/base"],
  "coordinator-client": ["protocol/base", "protocol/wire"],
  placement: ["protocol/base"],
  "broker/runtime": ["protocol"],
  "broker/log": ["broker/runtime", "protocol"],
  "broker/partition": ["broker/log", "broker/runtime", "protocol"],
  "broker/replication": ["broker/partition", "broker/runtime", "protocol"],
  "broker/state-machine": ["broker/partition", "protocol"],
  "broker/group": ["broker/state-machine", "broker/runtime", "protocol"],
  "broker/cluster": ["broker/partition", "broker/runtime", "protocol", "coordinator-client"],
  "broker/controller": ["broker/cluster", "broker/runtime", "protocol", "coordinator-client"],
  "broker/api": [
    "broker/controller",
    "broker/cluster",
    "broker/group",
    "broker/state-machine",
    "broker/partition",
    "broker/log",
    "broker/runtime",
    "protocol",
  ],
  "broker/peer-api": ["broker/api", "broker/controller", "broker/cluster", "broker/runtime", "protocol"],
  "broker/network": ["broker/api", "broker/runtime", "protocol"],
  "broker/metrics": [
    "broker/api",
    "broker/cluster",
    "broker/group",
    "broker/partition",
    "broker/log",
    "broker/runtime",
    "protocol",
    "coordinator-client",
  ],
  broker: ["protocol", "coordinator-client"],
  "client/base": ["protocol"],
  "client/network": ["client/base", "protocol"],
  "client/metadata": ["client/network", "client/base", "protocol"],
  "client/serialization": ["client/base"],
  "client/producer": ["client/serialization", "client/metadata", "client/network", "client/base", "protocol"],
  "client/fetch": ["client/metadata", "client/base", "protocol"],
  "client/group": ["client/fetch", "client/metadata", "client/base", "protocol"],
  "client/consumer": [
    "client/producer",
    "client/group",
    "client/fetch",
    "client/serialization",
    "client/metadata",
    "client/base",
    "protocol",
  ],
  "client/admin": ["client/group", "client/fetch", "client/metadata", "client/network", "client/base", "protocol"],
  client: ["protocol"],
  "cli/output": ["client/base", "protocol/base"],
  "cli/session": ["cli/output", "client", "protocol/base"],
  "cli/profile": ["cli/session", "cli/output", "client", "protocol/base"],
  "cli/config": ["cli/output", "client"],
  "cli/topic": ["cli/config", "cli/session", "cli/output", "client", "protocol/base"],
  "cli/rebalance": ["cli/topic", "cli/session", "cli/output", "client", "placement", "protocol/base"],
  "cli/cluster": ["cli/topic", "cli/config", "cli/session", "cli/output", "client", "protocol/base"],
  "cli/group": ["cli/topic", "cli/session", "cli/output", "client", "protocol/base"],
  "cli/consume": ["cli/session", "cli/output", "client"],
  "cli/produce": ["cli/session", "cli/output", "client", "protocol"],
  "cli/copy": ["cli/produce", "cli/session", "cli/output", "client", "protocol/records"],
  "cli/bench": ["cli/produce", "cli/output", "client"],
  "cli/zookeeper": ["cli/output"],
  "cli/up": ["cli/zookeeper", "cli/output", "broker/disk-format.ts", "protocol/base", "protocol/node"],
  "cli/status": ["cli/up", "cli/zookeeper", "cli/topic", "cli/session", "cli/output", "client", "protocol/base"],
  "cli/offline": ["cli/output", "broker/disk-format.ts", "protocol"],
  "cli/recover": ["cli/offline", "cli/output", "broker/disk-format.ts", "coordinator-client", "protocol/base"],
  "cli/completion": ["cli/up", "cli/profile", "client"],
  "cli/manual": [],
  "cli/commands": [
    "cli/manual",
    "cli/completion",
    "cli/recover",
    "cli/offline",
    "cli/status",
    "cli/up",
    "cli/bench",
    "cli/copy",
    "cli/produce",
    "cli/consume",
    "cli/group",
    "cli/cluster",
    "cli/rebalance",
    "cli/topic",
    "cli/profile",
    "cli/session",
    "cli/output",
    "client",
    "broker/main.ts",
    "broker/disk-format.ts",
    "coordinator-client",
    "placement",
    "protocol",
  ],
  cli: [],
  test: ["protocol", "coordinator-client", "placement", "broker", "client", "cli"],
};

/** Packages that a layer may import; one that is not here imports none. Those of the machine (`node:…`) are in `banned`. */
export const mayImportPackages: Readonly<Record<string, readonly string[]>> = {
  "protocol/records": ["@node-rs/crc32", "lz4-napi", "snappy"],
  "coordinator-client": ["node-zookeeper-client"],
  "broker/runtime": ["pino", "pino-pretty"],
  "broker/log": ["@node-rs/crc32"],
  "broker/group": ["re2js"],
  "broker/cluster": ["@node-rs/crc32"],
  "broker/network": ["msgpackr"],
  "broker/metrics": ["prom-client"],
  "client/serialization": ["msgpackr"],
  "cli/output": ["cli-progress", "commander", "get-east-asian-width"],
  "cli/topic": ["commander"],
  "cli/rebalance": ["commander"],
  "cli/group": ["commander"],
  "cli/consume": ["commander", "quickjs-emscripten-core", "@jitl/quickjs-wasmfile-release-sync"],
  "cli/produce": ["@node-rs/crc32"],
  "cli/bench": ["hdr-histogram-js"],
  "cli/offline": ["@node-rs/crc32"],
  "cli/completion": ["commander"],
  "cli/manual": ["commander"],
  "cli/commands": ["commander"],
  cli: ["commander"],
  test: [
    "vitest",
    "fast-check",
    "testcontainers",
    "kafkajs",
    "@platformatic/kafka",
    "@node-rs/crc32",
    "commander",
    "esbuild",
    "hdr-histogram-js",
    "kubernetes-types/apps/v1.js",
    "kubernetes-types/core/v1.js",
    "kubernetes-types/meta/v1.js",
    "kubernetes-types/networking/v1.js",
    "kubernetes-types/policy/v1.js",
    "kubernetes-types/rbac/v1.js",
    "lz4-napi",
    "msgpackr",
    "node-zookeeper-client",
    "re2js",
    "snappy",
    "yaml",
  ],
};

/**
 * Rooms of a layer, from the bottom up: what lies in one of them imports nothing from those in its row. Where the layer's own folder is
 * named, the files directly in it are meant.
 */
export const closedRooms: Readonly<Record<string, readonly string[]>> = {
  "broker/log": [
    "broker/log/files",
    "broker/log/segment",
    "broker/log/producers",
    "broker/log/partition-log",
    "broker/log/compaction",
    "broker/log/opening",
    "broker/log/directories",
  ],
  "broker/log/files": [
    "broker/log/segment",
    "broker/log/producers",
    "broker/log/partition-log",
    "broker/log/compaction",
    "broker/log/opening",
    "broker/log/directories",
  ],
  "broker/log/segment": [
    "broker/log/producers",
    "broker/log/partition-log",
    "broker/log/compaction",
    "broker/log/opening",
    "broker/log/directories",
  ],
  "broker/log/producers": ["broker/log/partition-log", "broker/log/compaction", "broker/log/opening", "broker/log/directories"],
  "broker/log/partition-log": ["broker/log/opening", "broker/log/directories"],
  "broker/log/compaction": ["broker/log/opening", "broker/log/directories"],
  "broker/log/opening": ["broker/log/directories"],
  "broker/group/assignors": ["broker/group/patterns", "broker/group/classic", "broker/group/consumer", "broker/group"],
  "broker/group/patterns": ["broker/group/assignors", "broker/group/classic", "broker/group/consumer", "broker/group"],
  "broker/group/classic": ["broker/group/assignors", "broker/group/patterns", "broker/group/consumer"],
  "broker/group/consumer": ["broker/group/classic"],
};

/** The only files that touch the machine: the real clock, randomness, sockets, files, logs, and the process itself. */
export const realAdapters: readonly string[] = [
  "protocol/node/node-clock.ts",
  "protocol/node/node-hmac.ts",
  "protocol/node/node-random.ts",
  "protocol/node/node-transport.ts",
  "coordinator-client/zookeeper/library.ts",
  "broker/runtime/node-files.ts",
  "broker/runtime/node-monitoring.ts",
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

export const deterministicFolders: readonly string[] = ["protocol", "coordinator-client", "placement", "broker", "client"];

/** Lines. A file that wants to be longer usually holds two ideas. */
export const fileLinesMax = 400;

/** Columns, comments included (`npm run format` wraps them). A line that is too long only for one string or expression in it is let be. */
export const columnsMax = 140;

/** Lines, from the one with its name to its closing brace. */
export const functionLinesMax = 60;

/** Functions that are longer and may stay so, with what they have now: they may shrink, and leave the list. */
export const longFunctions: Readonly<Record<string, number>> = {};

/** What a constructor is handed: each argument counts, and one whose type is an interface of the same file counts by its members. */
export const collaboratorsMax = 6;

/** Classes that are handed more and may stay so, with what they have now: they may shrink, and leave the list. */
export const manyCollaborators: Readonly<Record<string, number>> = {
  "broker/assembly/life-cycle.ts LifeCycle": 7,
  "broker/cluster/controller-reports.ts IsrReporter": 7,
  "broker/cluster/controller-reports.ts ReplicaReporter": 7,
  "broker/cluster/membership.ts Membership": 7,
  "broker/cluster/update-receiver.ts UpdateReceiver": 9,
  "broker/controller/admin-operations.ts AdminOperations": 7,
  "broker/controller/controller-term.ts ControllerTerm": 12,
  "broker/controller/update-sender.ts Channel": 10,
  "broker/controller/update-sender.ts UpdateSender": 7,
  "broker/log/directories/log-store.ts DirectoryLogStore": 11,
  "broker/log/directories/strays.ts Strays": 7,
  "broker/log/partition-log/log-state.ts LogState": 15,
  "broker/log/segment/index-file.ts GrowingIndex": 9,
  "broker/log/segment/segment.ts Segment": 8,
  "broker/network/client-connection.ts ClientConnection": 9,
  "broker/network/peer-connection.ts PeerConnection": 10,
  "broker/network/peer-link.ts PeerLink": 10,
  "broker/network/request-slot.ts RequestSlot": 10,
  "broker/partition/followership.ts Followership": 8,
  "broker/partition/leadership.ts Leadership": 7,
  "broker/partition/partition-table.ts PartitionTable": 9,
  "broker/replication/fetcher.ts Fetcher": 8,
  "broker/state-machine/shard.ts Shard": 7,
  "cli/offline/verify/finding.ts FaultsOfFile": 7,
  "cli/offline/verify/verify-log.ts LogRun": 15,
  "cli/produce/file-follower.ts FileFollower": 8,
  "cli/produce/ship-lines.ts Shipment": 7,
  "cli/up/kept-broker.ts KeptBroker": 7,
  "client/group/member-driver.ts MemberDriver": 14,
  "coordinator-client/memory-coordinator.ts MemoryCoordinator": 8,
  "coordinator-client/memory/memory-wire.ts MemoryWire": 9,
  "coordinator-client/memory/server.ts MemoryServer": 10,
  "coordinator-client/zookeeper/library.ts LibraryClient": 9,
};

/**
 * Modules that decide and do nothing else: they are handed values and answer with values, the time among them. A folder ends with a slash.
 */
export const pureModules: readonly string[] = [
  "protocol/records/batch-header.ts",
  "protocol/records/walk-records.ts",
  "protocol/records/validate-batches.ts",
  "protocol/records/assign-offsets.ts",
  "protocol/wire/frame-splitter.ts",
  "placement/",
  "broker/log/files/file-names.ts",
  "broker/log/segment/segment-layout.ts",
  "broker/log/producers/producer-entry.ts",
  "broker/log/producers/producer-states.ts",
  "broker/log/producers/producer-snapshot.ts",
  "broker/log/partition-log/leader-epochs.ts",
  "broker/log/partition-log/tail-cache.ts",
  "broker/log/compaction/offset-map.ts",
  "broker/partition/leader-state.ts",
  "broker/partition/follower-state.ts",
  "broker/partition/log-position.ts",
  "broker/partition/damaged-replica.ts",
  "broker/partition/replica-answers.ts",
  "client/consumer/fifo.ts",
  "client/consumer/lanes.ts",
  "client/consumer/taken-window.ts",
  "broker/group/assignors/",
  "broker/group/consumer/heartbeat-rules.ts",
  "broker/group/consumer/reconcile.ts",
  "broker/group/consumer/target-assignment.ts",
  "broker/group/patterns/pattern-cost.ts",
  "broker/group/patterns/pattern-program.ts",
  "broker/cluster/roles.ts",
  "broker/cluster/image-updates.ts",
  "broker/cluster/resolve-settings.ts",
  "broker/controller/controller-state.ts",
  "broker/controller/elections.ts",
  "broker/controller/dirty-set.ts",
  "broker/controller/config-changes.ts",
  "broker/controller/setting-rules.ts",
];

/** What a module that only decides has no use for. */
export const impure = /\b(await|async|Promise|Clock|AbortSignal|AbortController|Timer|Random|FileSystem|Logger)\b|from "node:/;
