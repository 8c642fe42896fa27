import { ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { PeerWatch } from "../../../broker/cluster/peer-watch.ts";
import { type PeerCallOptions, type PeerRequester, PeerUnavailable, type Unavailability } from "../../../broker/runtime/peer-port.ts";
import { type Clock, sleep } from "../../../protocol/base/clock.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import type { Address } from "../../../protocol/base/transport.ts";
import { SimClock } from "../../sim/sim-clock.ts";

export const suspectTimeoutMs = 1_000;
export const diskStallTimeoutMs = 3_000;
const tripMs = 1;
/** So many in one moment are a loop without a pause: the next one gets no answer, or the test would not end. */
const inOneMomentMax = 200;

/**
 * What a broker does with heartbeats: it answers after the time that it was asked to wait, or at once whatever was asked; nobody listens
 * there; the link breaks as soon as it is open; nothing comes back; or something else goes wrong at once.
 */
export type Behaviour = "answers" | "answers at once" | "refuses" | "breaks" | "silent" | "fails at once";

/** The other end of a watch's requests, in the test's hand. */
export class ScriptedPeer {
  readonly #clock: Clock;
  readonly #pending = new Set<(why: Unavailability) => void>();
  /** The epoch in its answers. */
  epoch: number;
  does: Behaviour = "answers";
  /** What its answers say of its disk. */
  isStuck = false;
  /** What to do at the next requests, before it does what it always does. */
  readonly next: Behaviour[] = [];
  /** When it was asked, and how long to wait. */
  readonly asked: { readonly atMs: number; readonly waitMs: number }[] = [];

  constructor(clock: Clock, epoch: number) {
    this.#clock = clock;
    this.epoch = epoch;
  }

  /** Requests that wait for an answer. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The process is killed: its links break, and its port refuses. */
  die(): void {
    this.does = "refuses";
    this.breakLinks();
  }

  breakLinks(): void {
    for (const reject of [...this.#pending]) reject("broken");
  }

  async request(waitMs: number, { timeoutMs, signal }: PeerCallOptions): Promise<number> {
    const atMs = this.#clock.monotonicMs();
    this.asked.push({ atMs, waitMs });
    if (this.asked.filter((one) => one.atMs === atMs).length > inOneMomentMax) return new Promise(() => undefined);
    const does = this.next.shift() ?? this.does;
    switch (does) {
      case "answers at once":
        return this.epoch;
      case "fails at once":
        throw new Error("failed");
      case "refuses":
        throw new PeerUnavailable("nobody listens", "refused");
      case "breaks":
        throw new PeerUnavailable("the link broke", "broken");
      case "answers":
      case "silent":
        return this.#wait(does === "answers" ? waitMs + tripMs : null, timeoutMs, signal);
    }
  }

  async #wait(answerMs: number | null, timeoutMs: number, signal: AbortSignal | undefined): Promise<number> {
    const { promise, reject } = Promise.withResolvers<never>();
    const broken = (why: Unavailability) => reject(new PeerUnavailable(`it is ${why}`, why));
    this.#pending.add(broken);
    const ended = new AbortController();
    const both = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
    const late = sleep(this.#clock, timeoutMs, both).then(() => broken("unanswered"));
    const answer = answerMs === null ? promise : sleep(this.#clock, answerMs, both).then(() => this.epoch);
    late.catch(reject);
    return Promise.race([promise, answer]).finally(() => {
      this.#pending.delete(broken);
      ended.abort();
    });
  }
}

/** Broker 1, which watches others, on simulated time. */
export class Watching {
  readonly sim = new SimClock();
  readonly clock = this.sim.forOwner("us");
  readonly images = new ImageStore("cluster");
  /** By port, which is the broker's id. */
  readonly peers = new Map<number, ScriptedPeer>();
  readonly givenUp: number[] = [];
  /** Our own. */
  readonly disks = { stuckForMs: 0 };
  /** Who sends us heartbeats. */
  asks: (id: number) => boolean = () => true;
  readonly aborter = new AbortController();
  readonly watch: PeerWatch;
  /** What was reported, and when. */
  readonly changes: number[] = [];

  /** `log`: the watch's. */
  constructor(ids: readonly number[], log: Logger = silentLogger) {
    const request = (async (to: Address, _kind: string, body: { readonly waitMs: number }, options: PeerCallOptions) => {
      const brokerEpoch = await this.peer(to.port).request(body.waitMs, options);
      return { body: { brokerEpoch, isStuck: this.peer(to.port).isStuck }, payload: Buffer.alloc(0) };
    }) as unknown as PeerRequester["request"];
    const peers = { request, giveUp: ({ port }: Address) => this.givenUp.push(port) };
    const { images, clock, disks } = this;
    const own = { brokerId: 1, disks, diskStallTimeoutMs };
    this.watch = new PeerWatch({ own, peers, images, clock, log, suspectTimeoutMs });
    this.watch.onChange(() => this.changes.push(this.sim.nowMs));
    this.register(Object.fromEntries([1, ...ids].map((id) => [id, 10 * id])));
    this.watch.start(this.aborter.signal);
    this.#beAsked();
  }

  /** All of them send heartbeats of their own. */
  #beAsked(): void {
    for (const id of this.peers.keys()) if (this.asks(id)) this.watch.noteAsked(id);
    this.clock.schedule(suspectTimeoutMs / 4, () => this.#beAsked());
  }

  /** These brokers are registered, with these epochs; processes that are not there yet start with them, or as `script` says. */
  register(epochs: Readonly<Record<number, number>>, script: Partial<Pick<ScriptedPeer, "does" | "epoch">> = {}): void {
    const all = Object.entries(epochs).map(([id, epoch]) => ({ id: Number(id), epoch }));
    for (const { id, epoch } of all)
      if (!this.peers.has(id)) this.peers.set(id, Object.assign(new ScriptedPeer(this.clock, epoch), script));
    const brokers = all.map(({ id, epoch }) => [id, { id, epoch, rack: null, endpoints: [], peer: { host: "h", port: id } }] as const);
    this.images.replace({ ...this.images.current, brokers: new Map(brokers) });
  }

  peer(id: number): ScriptedPeer {
    const peer = this.peers.get(id);
    if (peer === undefined) throw new Error(`nobody asks broker ${id}`);
    return peer;
  }

  get suspects(): Record<number, string> {
    return Object.fromEntries(this.watch.suspects);
  }

  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.sim.schedule("test", ms, () => {
      isOver = true;
    });
    while (!isOver) await this.sim.step();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Milliseconds until `condition` holds; looks once a millisecond. */
  async until(condition: () => boolean, maxMs = 5_000): Promise<number> {
    const startMs = this.sim.nowMs;
    while (!condition()) {
      if (this.sim.nowMs - startMs > maxMs) throw new Error(`not within ${maxMs} ms`);
      await this.pass(1);
    }
    return this.sim.nowMs - startMs;
  }

  /** How often `id` was asked within the next `ms`. */
  async askedWithin(id: number, ms: number): Promise<number> {
    const before = this.peer(id).asked.length;
    await this.pass(ms);
    return this.peer(id).asked.length - before;
  }
}

/** Brokers 2 and 3 have answered a few times. */
export async function calm(ids: readonly number[] = [2, 3], log: Logger = silentLogger): Promise<Watching> {
  const world = new Watching(ids, log);
  await world.pass(2_000);
  if (world.watch.suspects.size > 0) throw new Error("a broker that answers is suspected");
  return world;
}
