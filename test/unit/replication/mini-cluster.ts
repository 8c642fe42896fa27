import type { LogStore } from "../../../broker/log/store-contract.ts";
import type { ClusterView, IsrChangeRequest, IsrStore, IsrWriteResult } from "../../../broker/partition/cluster-contract.ts";
import { PartitionTable } from "../../../broker/partition/partition-table.ts";
import { FetcherSet } from "../../../broker/replication/fetcher-set.ts";
import { replicaFetchHandler } from "../../../broker/replication/replica-fetch-handler.ts";
import { BudgetedQuota } from "../../../broker/replication/replication-quota.ts";
import type { TopicSettings } from "../../../broker/runtime/config/topic-settings.ts";
import {
  type PeerAnswer,
  type PeerCallOptions,
  type PeerHandler,
  type PeerRequester,
  PeerUnavailable,
} from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { PartitionRecord, PeerKind, PeerRequest } from "../../../protocol/peer/messages.ts";
import { codecsAside } from "../../../protocol/records/compression.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { type MemoryLog, MemoryLogStore, testSettings } from "../../support/memory-log.ts";
import { type ClientCalls, clientCalls } from "../../support/partition-calls.ts";
import { testPartitionConfig, testReplicationConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

export const topic = "orders";
export const topicId = "b3JkZXJzb3JkZXJzb3JkZQ";
export const ref = { topic, partition: 0 };
export const lagMaxMs = 4000;

/** The state znode, and what may happen to the writes to it. */
export class StateZnode implements IsrStore {
  current: PartitionRecord;
  writes: IsrChangeRequest[] = [];
  /** What came to be in force. */
  readonly changes: { readonly isr: readonly number[]; readonly stateVersion: number }[] = [];
  /**
   * How the next writes end: "lost" is carried out without an answer, "dropped" is not carried out and has none either. Then: as it should.
   */
  fates: ("lost" | "dropped")[] = [];

  #held: Promise<void> = Promise.resolve();

  constructor(state: PartitionRecord) {
    this.current = state;
  }

  /** Writes from now on reach the coordinator only when the returned function is called. */
  holdWrites(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return resolve;
  }

  async writeIsr(request: IsrChangeRequest): Promise<IsrWriteResult> {
    this.writes.push(request);
    await this.#held;
    const { leader, leaderEpoch, isr, isrEpochs, stateVersion } = this.current;
    if (leader !== request.leader || leaderEpoch !== request.leaderEpoch) return { kind: "fenced" };
    const fate = this.fates.shift();
    if (fate === "dropped") return { kind: "unknown" };
    if (stateVersion !== request.expectedVersion) return { kind: "conflict", isr, isrEpochs, stateVersion };
    this.current = { ...this.current, isr: request.isr, isrEpochs: request.isrEpochs, stateVersion: stateVersion + 1 };
    this.changes.push({ isr: request.isr, stateVersion: stateVersion + 1 });
    return fate === "lost" ? { kind: "unknown" } : { kind: "written", stateVersion: stateVersion + 1 };
  }
}

export interface Node {
  readonly id: number;
  readonly table: PartitionTable;
  readonly service: ClientCalls;
  readonly fetchers: FetcherSet;
  /** How it answers its followers, in this life. */
  readonly answerFetch: PeerHandler<"replica-fetch">;
  readonly log: () => MemoryLog;
}

/** Three brokers in one process: real partitions and fetchers over logs in memory, wired by direct calls, in time that the test moves. */
export class MiniCluster {
  readonly clock = new ManualClock();
  readonly znode: StateZnode;
  readonly nodes = new Map<number, Node>();
  readonly reported: string[] = [];
  /** Registration by broker; absent: dead. */
  readonly alive = new Map<number, number>();
  readonly provedUntilMs = new Map<number, number>();
  /** Links that carry nothing: `1>2`. */
  readonly cut = new Set<string>();
  /** What the brokers' disks have, where logs are in memory. */
  readonly stores = new Map<number, MemoryLogStore>();
  readonly #openStore: (id: number) => Promise<LogStore>;
  fetches = 0;
  /** Partitions that were named in them. */
  named = 0;
  settings: TopicSettings;
  /** Of every broker; null: no limit. */
  rates: { leader: number | null; follower: number | null } = { leader: null, follower: null };
  #registrations = 100;

  constructor(settings: Partial<TopicSettings> = {}, openStore?: (cluster: MiniCluster, id: number) => Promise<LogStore>) {
    this.settings = { ...testSettings, minInsyncReplicas: 2, ...settings };
    this.znode = new StateZnode({
      partition: 0,
      leader: 1,
      leaderEpoch: 0,
      isr: [1, 2, 3],
      isrEpochs: {},
      replicas: [1, 2, 3],
      stateVersion: 0,
      leaderRecovering: false,
    });
    this.#openStore = async (id) => openStore?.(this, id) ?? this.#memoryStore(id);
  }

  async start(): Promise<void> {
    for (const id of [1, 2, 3]) await this.boot(id);
    await this.assign();
  }

  #memoryStore(id: number): MemoryLogStore {
    const store = this.stores.get(id) ?? new MemoryLogStore();
    this.stores.set(id, store);
    return store;
  }

  #quota(side: "leader" | "follower"): BudgetedQuota {
    return new BudgetedQuota(this.clock, { bytesPerSecond: () => this.rates[side], windowMs: 1000 });
  }

  /** Starts (again) with what is on the disk, under a new registration. */
  async boot(id: number): Promise<void> {
    const store = await this.#openStore(id);
    this.alive.set(id, ++this.#registrations);
    this.provedUntilMs.set(id, Number.POSITIVE_INFINITY);
    const random = seededRandom(id);
    const cluster = this.#view(id);
    const config = { ...testPartitionConfig, brokerId: id, replicaLagTimeMaxMs: lagMaxMs };
    const table = new PartitionTable({
      codecs: codecsAside,
      config,
      clock: this.clock,
      random,
      logger: silentLogger,
      logs: store,
      cluster,
      isrStore: this.znode,
      health: { report: ({ partition }, { kind }) => this.reported.push(`${id}: ${partition} ${kind}`) },
    });
    table.start();
    const peers = this.#peers(id);
    const fetchers = new FetcherSet(table, {
      brokerId: id,
      config: testReplicationConfig,
      clock: this.clock,
      random,
      logger: silentLogger,
      cluster,
      peers,
      quota: this.#quota("follower"),
    });
    fetchers.start();
    this.nodes.set(id, {
      id,
      table,
      service: clientCalls(table),
      fetchers,
      answerFetch: replicaFetchHandler({
        leaders: table,
        registration: cluster.registration,
        clock: this.clock,
        config: testReplicationConfig,
        quota: this.#quota("leader"),
        sessionPartitionsMax: 1000,
      }),
      log: () => {
        const log = this.stores.get(id)?.logs.get(`${topic}-0`)?.log;
        if (log === undefined) throw new Error(`broker ${id} has no log`);
        return log;
      },
    });
  }

  node(id: number): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`broker ${id} is down`);
    return node;
  }

  /** Gone at once: nothing is checkpointed, nobody is told. What the operating system had stays. */
  kill(id: number): void {
    const node = this.node(id);
    this.nodes.delete(id);
    this.alive.delete(id);
    node.table.standDown();
    void node.fetchers.stop();
  }

  /** Gives the state as the coordinator has it to these brokers. */
  async assign(ids: Iterable<number> = this.nodes.keys()): Promise<void> {
    const replica = { topic, topicId, state: this.znode.current, settings: this.settings };
    for (const id of ids) await this.node(id).table.assign([replica]);
    await settled();
  }

  /** As the controller would: a new epoch, in the coordinator first. */
  elect(leader: number, isr: readonly number[], more: Partial<PartitionRecord> = {}): void {
    const { current } = this.znode;
    this.znode.current = { ...current, leader, isr, leaderEpoch: current.leaderEpoch + 1, stateVersion: current.stateVersion + 1, ...more };
  }

  /** Everything that a replica's log has written, batch by batch; null: it has none. */
  async content(id: number): Promise<{ readonly baseOffset: number; readonly hex: string }[] | null> {
    const log = this.nodes.get(id)?.table.find(ref)?.log;
    if (log === undefined) return null;
    const batches: { baseOffset: number; hex: string }[] = [];
    for (let at = log.startOffset; at < log.writtenEndOffset; ) {
      const { chunks } = await log.read(at, { maxBytes: 1e6, endOffsetLimit: log.writtenEndOffset, minOneBatch: true });
      const bytes = Buffer.concat(chunks);
      const { batches: found } = scanBatches(bytes);
      if (found.length === 0) break;
      for (const { baseOffset, position, sizeInBytes } of found)
        batches.push({ baseOffset, hex: bytes.toString("hex", position, position + sizeInBytes) });
      at = (found.at(-1)?.lastOffset ?? at) + 1;
    }
    return batches;
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Lets time pass until the claim holds. */
  async until(claim: () => boolean, what: string, limitMs = 30_000): Promise<void> {
    for (let ms = 0; ms <= limitMs; ms += 10) {
      await settled();
      if (claim()) return;
      await this.pass(10);
    }
    throw new Error(`not within ${limitMs} ms: ${what}`);
  }

  highWatermark(id: number): number {
    return this.node(id).table.find(ref)?.highWatermark ?? -1;
  }

  async stop(): Promise<void> {
    for (const id of [...this.nodes.keys()]) this.kill(id);
    await this.pass(1000);
  }

  #view(id: number): ClusterView {
    const { alive, provedUntilMs } = this;
    return {
      brokerEpoch: (of) => alive.get(of) ?? null,
      hasReplica: (of) => !alive.has(id) || alive.has(of),
      isSuspected: () => false,
      doubtLeaderships: () => {},
      isSilent: () => false,
      stopsAsWeDo: () => false,
      registration: (of) => alive.get(of) ?? null,
      peerAddress: (of) => ({ host: "peer", port: of }),
      get ownEpoch() {
        return alive.get(id) ?? -1;
      },
      get sessionProvedUntilMs() {
        return provedUntilMs.get(id) ?? 0;
      },
    };
  }

  #peers(from: number): PeerRequester {
    const call = async (to: number, body: PeerRequest<"replica-fetch">): Promise<PeerAnswer<"replica-fetch">> => {
      await settled();
      if (!this.nodes.has(to) || this.cut.has(`${from}>${to}`)) throw new PeerUnavailable("no route");
      this.fetches++;
      this.named += body.partitions.length;
      const answer = await this.node(to).answerFetch(body, Buffer.alloc(0), `broker ${from}`);
      await settled();
      if (!this.nodes.has(to) || this.cut.has(`${to}>${from}`)) throw new PeerUnavailable("link lost");
      return { body: answer.body, payload: Buffer.concat(answer.payload ?? []) };
    };
    return {
      request<K extends PeerKind>(to: { port: number }, _kind: K, body: PeerRequest<K>, { signal, onSent }: PeerCallOptions) {
        onSent?.();
        const aborted = new Promise<never>((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
        );
        return Promise.race([call(to.port, body as PeerRequest<"replica-fetch">), aborted]) as Promise<PeerAnswer<K>>;
      },
    };
  }
}
