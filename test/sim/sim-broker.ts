import { Broker } from "../../broker/broker.ts";
import { readConfig } from "../../broker/runtime/config/read-config.ts";
import { descriptorShares } from "../../broker/runtime/descriptors.ts";
import type { MemoryCoordinator, MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import { type Random, seededRandom } from "../../protocol/base/random.ts";
import { SlabPool } from "../../protocol/wire/slab-pool.ts";
import { MemoryDisk } from "../support/memory-files.ts";
import type { SimClock } from "./sim-clock.ts";
import { clientPort, peerPort, type SimNetwork } from "./sim-network.ts";
import type { Trace } from "./trace.ts";

/** Two disks, mounted below one folder. */
export const dataDirectory = "/data";
export const logDirectories = [`${dataDirectory}/1`, `${dataDirectory}/2`] as const;

export interface SimBrokerParts {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly ensemble: MemoryEnsemble;
  readonly random: Random;
  readonly trace: Trace;
  readonly settings: Readonly<Record<string, string>>;
  readonly diskLatencyMs: { readonly min: number; readonly max: number };
  readonly sessionTimeoutMs: number;
  /** The process ended other than by a clean shutdown. */
  readonly onUncleanEnd: (broker: number) => void;
  /** The broker found a bug in its own state. */
  readonly onFatal: (error: Error) => void;
}

/**
 * `kill`: the process is killed, its links are reset, the system keeps what was written. `power`: what was not synced may be lost;
 * `power-silent`: and no peer is notified.
 */
export type CrashKind = "kill" | "power" | "power-silent";

/** The pause before a restart after a failed start or the loss of its id, as by a supervisor. */
const restartPauseMs = 1000;
/** A failed start whose shutdown takes longer than this is killed. */
const failedStartGraceMs = 10_000;

/** One machine with one broker on it: the shipped code, on a simulated disk that outlives its processes. */
export class SimBroker {
  readonly id: number;
  readonly host: string;
  readonly disk: MemoryDisk;
  readonly #parts: SimBrokerParts;
  #life = 0;
  #broker: Broker | null = null;
  #coordinator: MemoryCoordinator | null = null;
  #isCoordinatorCut = false;
  #isSupervised = false;
  isPaused = false;
  /** Paused, with its machine. */
  isAsleep = false;
  /** When it resumed after the last pause. */
  goesOnSinceMs = 0;
  #diskFailure: MemoryDisk["fault"] = null;
  /** It was told to shut down, and will exit soon. */
  isStopping = false;
  /** Serves clients. */
  isReady = false;

  constructor(id: number, parts: SimBrokerParts) {
    this.id = id;
    this.host = `b${id}`;
    this.#parts = parts;
    const { clock, trace } = parts;
    // an operation belongs to the process that started it
    const diskClock = {
      nowMs: () => clock.forOwner(this.owner).nowMs(),
      monotonicMs: () => clock.nowMs,
      schedule: (delayMs: number, callback: () => void) => clock.schedule(this.owner, delayMs, callback),
    };
    this.disk = new MemoryDisk({ clock: diskClock, random: seededRandom(seedFrom(parts.random)), latencyMs: parts.diskLatencyMs });
    this.disk.fault = (operation) => {
      trace.line(`${this.owner} disk ${operation.kind} ${operation.path}`, true);
      return this.#diskFailure?.(operation) ?? null;
    };
  }

  /** Its process: `b1#3` is the third on machine b1. */
  get owner(): string {
    return `${this.host}#${this.#life}`;
  }

  get isUp(): boolean {
    return this.#broker !== null;
  }

  get isCoordinatorCut(): boolean {
    return this.#isCoordinatorCut;
  }

  /** Null: the process is down, or not started yet. */
  get coordinator(): MemoryCoordinator | null {
    return this.#coordinator;
  }

  start(): void {
    if (this.isUp) return;
    const { clock, network, random, trace } = this.#parts;
    this.#life++;
    const { owner } = this;
    trace.line(`${owner} starts`);
    network.hostIsBack(this.host);
    const { settings, texts } = this.#readConfig();
    const broker = new Broker({
      settings,
      texts,
      clock: clock.forOwner(owner),
      random: seededRandom(seedFrom(random)),
      transport: network.transportFor(owner),
      files: this.disk.attach(),
      memoryBytes: 2 ** 32,
      descriptors: descriptorShares(null),
      slabs: new SlabPool({ detachesReleased: true, frameBytesMin: 1 }),
      openCoordinator: () => this.#openCoordinator(owner),
      monitoring: null,
      log: trace.logger(owner),
      onFatal: this.#parts.onFatal,
      // as in main.ts: a start in progress rejects with it
      onFailed: (error) => {
        if (this.#broker === broker && this.isReady) this.#failed(error, "running");
      },
    });
    this.#broker = broker;
    broker.start().then(
      () => {
        if (this.#broker !== broker || this.isStopping) return;
        this.isReady = true;
        trace.line(`${owner} is ready`);
      },
      (error: Error) => {
        if (this.#broker !== broker) return;
        if (error instanceof InvariantViolation) this.#parts.onFatal(error);
        // one that was told to stop meanwhile ends when it has
        if (!this.isStopping) this.#failed(error, "starting");
      },
    );
  }

  /** From now on it runs: it starts at once if it is down, and again whenever it has exited. */
  supervise(): void {
    this.#isSupervised = true;
    this.start();
  }

  crash(kind: CrashKind): void {
    if (!this.isUp) return;
    this.#parts.trace.line(`${this.owner} crashes: ${kind}`);
    this.#end(kind);
  }

  /** SIGTERM, also during a start: a controlled shutdown; killed when that takes longer than `graceMs`. */
  stop(graceMs: number): void {
    if (this.#broker === null || this.isStopping) return;
    this.#parts.trace.line(`${this.owner} is told to stop`);
    // a start that was not completed vouches for nothing that an earlier life lost
    this.#stop(this.#broker, { graceMs, mayBeClean: this.isReady });
  }

  /** What `main.ts` does at the end of a life, whatever its result; then the process is gone. */
  #stop(
    broker: Broker,
    { graceMs, mayBeClean }: { readonly graceMs: number; readonly mayBeClean: boolean },
    then: () => void = () => {},
  ): void {
    const { clock, trace } = this.#parts;
    this.isStopping = true;
    const ended = (how: string, isClean: boolean) => {
      if (this.#broker !== broker) return;
      trace.line(`${this.owner} ${how}`);
      this.#end("kill", isClean && mayBeClean);
      then();
    };
    clock.schedule(this.host, graceMs, () => ended("did not stop in time", false));
    broker.stop().then(
      () => ended("has stopped", true),
      (error: Error) => {
        if (this.#broker === broker && error instanceof InvariantViolation) this.#parts.onFatal(error);
        ended(`failed to stop: ${error.message}`, false);
      },
    );
  }

  /** From now on disk operations may fail. Null: the disk works again. */
  failDisk(failure: MemoryDisk["fault"]): void {
    this.#diskFailure = failure;
  }

  /** From now on no disk operation below that folder comes back, until what this returns is called. */
  hangDisk(below = "/"): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.disk.stall = ({ path }) => (path.startsWith(below) ? promise : null);
    return () => {
      this.disk.stall = null;
      resolve();
    };
  }

  get hasDiskFailure(): boolean {
    return this.#diskFailure !== null;
  }

  /**
   * Where its log of a partition is; null: nowhere. At the end of a move it is in both directories for a moment, and a note next to the old
   * one says so.
   */
  folderOf(topicPartition: string): string | null {
    const there = logDirectories.filter((directory) => this.disk.find(`${directory}/${topicPartition}`) !== null);
    const found =
      there.length < 2
        ? there[0]
        : (there.find((directory) => this.#noteOf(directory, topicPartition) === "cancelled") ??
          there.find((directory) => this.#noteOf(directory, topicPartition) === null));
    return found === undefined ? null : `${found}/${topicPartition}`;
  }

  #noteOf(directory: string, topicPartition: string): "moving" | "cancelled" | null {
    const names = [...this.disk.directory(directory).entries.keys()];
    const notes = names.filter((name) => name.startsWith(`${topicPartition}.`) && name.endsWith("-moving"));
    const content = notes.map((name) => this.disk.file(`${directory}/${name}`).content().toString());
    if (content.some((text) => text.includes('"cancelled"'))) return "cancelled";
    return content.length > 0 ? "moving" : null;
  }

  pause(): void {
    if (!this.isUp || this.isPaused) return;
    this.#parts.trace.line(`${this.owner} is paused`);
    this.isPaused = true;
    this.#parts.clock.pause(this.owner);
  }

  /**
   * The machine sleeps, until `resume`. Nobody sets its clock meanwhile. If the clock was set back a moment ago, only the process is
   * suspended: no process could tell how long it has slept.
   */
  sleep(): void {
    if (!this.isUp || this.isPaused) return;
    if (this.#parts.clock.wasSetBack(this.host, this.#parts.sessionTimeoutMs)) return this.pause();
    this.isAsleep = true;
    this.#parts.trace.line(`${this.host} falls asleep`);
    this.isPaused = true;
    this.#parts.clock.sleep(this.owner);
  }

  resume(): void {
    if (!this.isPaused) return;
    const { trace, clock } = this.#parts;
    trace.line(`${this.owner} goes on`);
    this.isPaused = false;
    this.isAsleep = false;
    this.goesOnSinceMs = clock.nowMs;
    clock.wake(this.owner);
    clock.resume(this.owner);
  }

  cutCoordinator(): void {
    this.#isCoordinatorCut = true;
    this.#coordinator?.cut();
  }

  healCoordinator(): void {
    this.#isCoordinatorCut = false;
    this.#coordinator?.heal();
  }

  /** A failed start is shut down, and so closes its logs; a running broker exits at once. */
  #failed(error: Error, when: "starting" | "running"): void {
    const { clock, trace } = this.#parts;
    trace.line(`${this.owner} fails: ${error.name}: ${error.message}`);
    const startLater = () => clock.schedule(this.host, restartPauseMs, () => this.start());
    if (when === "starting" && this.#broker !== null) {
      this.#stop(this.#broker, { graceMs: failedStartGraceMs, mayBeClean: false }, startLater);
    } else {
      this.#end("kill");
      startLater();
    }
  }

  #end(kind: CrashKind, isClean = false): void {
    const { clock, network, onUncleanEnd } = this.#parts;
    if (!isClean) onUncleanEnd(this.id);
    this.#broker = null;
    this.#coordinator = null;
    this.isReady = false;
    this.isPaused = false;
    this.isAsleep = false;
    this.isStopping = false;
    clock.end(this.owner);
    if (kind === "power-silent") network.endSilently(this.owner);
    else network.end(this.owner);
    if (kind === "kill") this.disk.loseProcess();
    else this.disk.crash();
    if (this.#isSupervised) clock.schedule(this.host, restartPauseMs, () => this.start());
  }

  #openCoordinator(owner: string): MemoryCoordinator {
    const { ensemble, clock, trace, sessionTimeoutMs } = this.#parts;
    this.#coordinator = ensemble.open({
      sessionTimeoutMs,
      log: trace.logger(owner, { part: "coordinator" }),
      clock: clock.forOwner(owner),
    });
    if (this.#isCoordinatorCut) this.#coordinator.cut();
    return this.#coordinator;
  }

  #readConfig() {
    const { settings, sessionTimeoutMs } = this.#parts;
    const all = {
      "broker.id": String(this.id),
      "log.dirs": logDirectories.join(","),
      "zookeeper.connect": "zk:2181",
      "zookeeper.session.timeout.ms": String(sessionTimeoutMs),
      "broker.rack": `r${this.id}`,
      listeners: `PLAINTEXT://${this.host}:${clientPort},PEER://${this.host}:${peerPort}`,
      ...settings,
    };
    const overrides = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    return readConfig({ fileText: null, environment: {}, overrides, hostname: this.host });
  }
}

export function seedFrom(random: Random): number {
  return Math.floor(random.next() * 2 ** 32);
}
