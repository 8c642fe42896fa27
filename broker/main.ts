import { readFileSync } from "node:fs";
import { hostname, totalmem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { openZookeeper } from "../coordinator-client/zookeeper-coordinator.ts";
import { InvariantViolation } from "../protocol/base/invariant.ts";
import type { Logger } from "../protocol/base/logger.ts";
import { nodeClock } from "../protocol/node/node-clock.ts";
import { nodeRandom } from "../protocol/node/node-random.ts";
import { nodeTransport } from "../protocol/node/node-transport.ts";
import { SlabPool } from "../protocol/wire/slab-pool.ts";
import { Broker } from "./broker.ts";
import { readConfig } from "./runtime/config/read-config.ts";
import type { BrokerSettings } from "./runtime/config/start-settings.ts";
import { DescriptorShortage } from "./runtime/descriptor-shortage.ts";
import { type DescriptorShares, descriptorLimit, descriptorShares, fewDescriptors } from "./runtime/descriptors.ts";
import { DirectWrites } from "./runtime/direct-writes.ts";
import type { MonitoringHost } from "./runtime/monitoring-host.ts";
import { nodeFileSystem } from "./runtime/node-files.ts";
import { type ClosableLogger, pinoLogger } from "./runtime/pino-logger.ts";
import { type PrettyLines, prettyLines } from "./runtime/pretty-lines.ts";

export interface RunOptions {
  /** A server.properties; null: environment and overrides only. */
  readonly configFile: string | null;
  /** `key=value`, stronger than the file and the environment. */
  readonly overrides: readonly string[];
}

/** What a broker reports to the process of ours that started it. */
export type BrokerReport =
  /** `metrics`: the address of its `/metrics`, or null. */
  | { readonly kind: "ready"; readonly listeners: readonly string[]; readonly metrics: string | null }
  /** It is not ready, and will not be before an operator does something. */
  | { readonly kind: "waiting"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string }
  /** Now and then while it stops, with how many logs are not closed yet. */
  | { readonly kind: "stopping"; readonly unclosedLogs: number };

const stopReportIntervalMs = 500;

const fewDescriptorsWords =
  "the limit of open files is low: client connections and logs are bounded by it. Raise it (ulimit -n, LimitNOFILE)";

/** A bug was found (sysexits.h: EX_SOFTWARE). */
const exitBug = 70;

/**
 * V8 collects its old generation by what lies in it and what its objects hold outside of it, as one sum. Requests and the tails of logs lie
 * outside, so without this a broker under load collects a heap of 20 MB in full for every few megabytes it receives: more than half of its
 * CPU. With it the two have limits of their own. The cost is memory: buffers that are garbage stay a little longer (docs/performance.md).
 */
const memoryOutsideCountsByItself = "--external-memory-accounted-in-global-limit";

/** Runs one broker as this process: until SIGTERM, SIGINT, or the end of the process that started us. Rejects when it cannot start. */
export async function runBroker({ configFile, overrides }: RunOptions): Promise<void> {
  setFlagsFromString(memoryOutsideCountsByItself);
  const fileText = configFile === null ? null : readConfigFile(configFile);
  const { settings, texts, warnings } = readConfig({ fileText, environment: process.env, overrides, hostname: hostname() });
  const log = pinoLogger(settings.logging, { broker: settings.brokerId }, await prettyOnTerminal(settings));
  for (const warning of warnings) log.warn({}, warning);
  const onFatal = endsOnBugs(log);
  let hasStarted = false;
  const stop = stopSignal(log);
  const broker = new Broker({
    settings,
    texts,
    clock: nodeClock,
    random: nodeRandom,
    transport: nodeTransport,
    files: nodeFileSystem(directWrites(settings), new DescriptorShortage(nodeClock, log)),
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    descriptors: descriptors(log),
    slabs: new SlabPool(),
    openCoordinator: () =>
      openZookeeper({
        connectionString: settings.coordinator.connect,
        sessionTimeoutMs: settings.coordinator.sessionTimeoutMs,
        clock: nodeClock,
        random: nodeRandom,
        log: log.child({ part: "coordinator" }),
      }),
    log,
    monitoring: await monitoringHost(settings),
    onWaiting: (words) => report({ kind: "waiting", message: `broker ${settings.brokerId}: ${words}` }),
    onFatal,
    onFailed: (error) => {
      // a running start rejects with it, and reports it there
      if (!hasStarted) return;
      log.error({ err: error }, "this broker cannot go on");
      log.flush();
      process.exit(1);
    },
  });
  try {
    const started = await Promise.race([broker.start().then(() => true), stop.then(() => false)]);
    if (started) {
      hasStarted = true;
      report({ kind: "ready", listeners: broker.listeners, metrics: broker.metrics });
      log.info({ listeners: broker.listeners }, "ready");
      await stop;
    }
  } catch (error) {
    if (error instanceof InvariantViolation) return onFatal(error);
    const message = error instanceof Error ? error.message : String(error);
    log.error({ err: error }, "this broker cannot start");
    report({ kind: "failed", message: `broker ${settings.brokerId}: ${message}` });
    await broker.stop();
    log.flush();
    throw error;
  }
  await stopTelling(broker);
  endStopped(log);
}

/** Lingering client sockets, and the channel to our parent, would keep the process alive. */
function endStopped(log: ClosableLogger): void {
  log.info({}, "stopped");
  log.flush();
  process.exit(0);
}

/** Null: programs read the log. */
async function prettyOnTerminal({ logging }: BrokerSettings): Promise<PrettyLines | null> {
  if (logging.logFile !== null || !process.stderr.isTTY) return null;
  return prettyLines({ colours: process.stderr.hasColors() });
}

/** With several log directories, one disk that stalls must not hold up the logs on the others. */
function directWrites({ log, logDirectories }: BrokerSettings): DirectWrites | null {
  return log.directWritesEnabled && logDirectories.length === 1 ? new DirectWrites(() => nodeClock.monotonicMs()) : null;
}

/** Whoever started this process waits for as long as it hears that logs are being closed. */
async function stopTelling(broker: Broker): Promise<void> {
  const timer = setInterval(() => report({ kind: "stopping", unclosedLogs: broker.unclosedLogs }), stopReportIntervalMs);
  await broker.stop();
  clearInterval(timer);
}

/** How a bug ends this process, wherever it occurs. */
function endsOnBugs(log: ClosableLogger): (error: unknown) => void {
  const onFatal = (error: unknown) => {
    log.error({ err: error }, "a bug was found: this broker ends at once, so that it cannot do harm");
    log.flush();
    process.exit(exitBug);
  };
  process.on("uncaughtException", onFatal);
  process.on("unhandledRejection", onFatal);
  return onFatal;
}

/** What HTTP takes of memory is for those who ask for it. */
async function monitoringHost({ monitoring }: BrokerSettings): Promise<MonitoringHost | null> {
  return monitoring.listener === null ? null : (await import("./runtime/node-monitoring.ts")).nodeMonitoring();
}

function descriptors(log: Logger): DescriptorShares {
  const limit = descriptorLimit(readLimits());
  const shares = descriptorShares(limit);
  if (limit !== null && limit < fewDescriptors) log.warn({ limit, logsMax: shares.logsMax }, fewDescriptorsWords);
  return shares;
}

/** Elsewhere than on Linux there is no such file, and nobody knows. */
function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`the configuration file ${path} cannot be read: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function stopSignal(log: ClosableLogger): Promise<void> {
  return new Promise((resolve) => {
    const on = (why: string) => () => {
      log.info({ why }, "stopping");
      resolve();
    };
    process.once("SIGTERM", on("SIGTERM"));
    process.once("SIGINT", on("SIGINT"));
    // started by `ottla up` or a test: do not outlive it
    process.once("disconnect", on("the process that started this broker is gone"));
  });
}

function report(message: BrokerReport): void {
  process.send?.(message, () => {});
}
