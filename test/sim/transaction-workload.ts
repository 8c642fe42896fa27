import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Admin, Consumer, KafkaProtocolError, LogTruncated, OffsetOutOfRange, orThrow } from "../../client/index.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { type ReadRecord, TransactionHistory } from "../support/transaction-checker.ts";
import { ExactlyOnce, exactlyOnceClients } from "./exactly-once.ts";
import { seedFrom } from "./sim-broker.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { Trace } from "./trace.ts";
import { TransactionLife, type TransactionLifeParts } from "./transaction-life.ts";

export const ledgerTopic = "ledger";
export const transactionStateTopic = "__transaction_state";
/** What workers make of it, record by record. */
const extractTopic = "extract";
const partitions = 2;
const transactionalIds = ["till1", "till2"];
/** Whom faults of the network may hit. */
export const transactionClients = [...transactionalIds, "auditor", ...exactlyOnceClients];
const lookEveryMs = 100;

export interface TransactionWorkloadParts {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly random: Random;
  readonly bootstrap: string;
  /** Null: it reads from the leaders. */
  readonly rack: string | null;
  /** What the cluster acts by from now on. */
  readonly finalize: (transactionVersion: number) => void;
  readonly onViolation: (claim: string) => void;
}

/** By partition. */
type Reads = Map<number, ReadRecord[]>;

/**
 * Two transactional ids, each a line of producers that write to the same topic, and a reader of what is committed. None of it may be lost
 * by the rules: where a power failure of all brokers is to be survived, what is acknowledged is on the disks. So everything that
 * `TransactionHistory` says of them must be true, of what the reader was handed amid the faults, and of what is read in the end; and in the
 * end every transaction is decided, whoever began it.
 */
export class TransactionWorkload {
  readonly #parts: TransactionWorkloadParts;
  readonly #lifeParts: TransactionLifeParts;
  readonly #history = new TransactionHistory();
  readonly #lives: TransactionLife[] = [];
  readonly #born = new Map<string, number>();
  readonly #audited: Reads = emptyReads();
  readonly #auditor: Consumer<Buffer, Buffer>;
  /** Null: what is read is not processed. */
  readonly #exactlyOnce: ExactlyOnce | null;
  #isOver = false;
  #isSuspended = false;
  hasFinished = false;

  constructor(parts: TransactionWorkloadParts) {
    this.#parts = parts;
    const { clock, network, trace, random, bootstrap, rack, onViolation } = parts;
    const runtime = (owner: string) => this.#runtime(owner);
    this.#lifeParts = {
      ...{ clock, network, trace, bootstrap, runtime, onViolation, partitions },
      random: seededRandom(seedFrom(random)),
      history: this.#history,
      topic: ledgerTopic,
    };
    const working = { ...this.#lifeParts, random: seededRandom(seedFrom(random)), group: "clerks", from: ledgerTopic, to: extractTopic };
    this.#exactlyOnce = random.next() < 0.5 ? new ExactlyOnce(working, partitions) : null;
    this.#auditor = this.#reader("auditor", rack === null ? {} : { rack, metadataMaxAgeMs: 2000 });
  }

  async createTopic(minInsyncReplicas: number): Promise<void> {
    const { random, bootstrap } = this.#parts;
    const configs = { "min.insync.replicas": String(minInsyncReplicas), "segment.bytes": String(2500 + randomInt(random, 8000)) };
    await using admin = new Admin({ bootstrap, reachTimeoutMs: 60_000, runtime: this.#runtime("bookkeeper") });
    const names = this.#exactlyOnce === null ? [ledgerTopic] : [ledgerTopic, extractTopic];
    orThrow(await admin.createTopics(names.map((name) => ({ name, partitions, replicationFactor: 3, configs }))));
  }

  start(): void {
    const { clock, random, finalize } = this.#parts;
    let version = 1 + randomInt(random, 2);
    if (version === 1) finalize(version);
    if (random.next() < 0.3)
      clock.schedule("transactions", 2000 + random.next() * 8000, () => {
        version = 3 - version;
        if (!this.#isOver) finalize(version);
      });
    for (const id of transactionalIds) void this.#succeedEachOther(id);
    void this.#audit();
    this.#exactlyOnce?.start();
  }

  /** No more transactions. */
  settle(): void {
    this.#isOver = true;
    for (const life of this.#lives) life.stop();
    this.#exactlyOnce?.settle();
  }

  get isIdle(): boolean {
    return this.#lives.every(({ isGone }) => isGone);
  }

  /** Records may be lost by the rules, of the topic or of the coordinators: nothing more can be claimed. */
  recordsMayBeGone(): void {
    if (!this.#isSuspended) this.#parts.trace.line("nothing more is claimed of transactions");
    this.#isSuspended = true;
  }

  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = this.#isSuspended ? { "transactions not judged": 1 } : {};
    for (const { outcome } of this.#history.transactions) {
      const name = `transactions ${outcome}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** To be called once everything is healed and nothing is written any more. */
  finish(): void {
    if (this.#isSuspended) this.hasFinished = true;
    else void this.#finish().catch((error: Error) => this.#violated(`${error.name}: ${error.message}`));
  }

  async #finish(): Promise<void> {
    await this.#isDecided(ledgerTopic);
    for (const id of transactionalIds)
      if (!(await this.#nextLife(id).last())) this.#violated(`a whole cluster does not commit a transaction of ${id}`);
    await this.#isDecided(ledgerTopic);
    const reads = await this.#readAll(ledgerTopic);
    while (!isAsLong(this.#audited, reads)) await this.#sleep(lookEveryMs);
    for (const [partition, records] of reads) {
      const audited = this.#audited.get(partition)!;
      for (const [at, { offset, value }] of records.entries())
        if (audited[at]?.offset !== offset || audited[at]?.value !== value)
          return this.#violated(`${ledgerTopic}-${partition}@${offset} is ${value}, the reader was handed ${JSON.stringify(audited[at])}`);
    }
    const byName = new Map([...reads].map(([partition, records]) => [`${ledgerTopic}-${partition}`, records]));
    for (const wrong of this.#history.check(byName)) this.#violated(wrong);
    if (this.#exactlyOnce !== null) await this.#checkExtract(this.#exactlyOnce, reads);
    this.hasFinished = true;
  }

  async #checkExtract(exactlyOnce: ExactlyOnce, inputs: Reads): Promise<void> {
    await exactlyOnce.finish(inputs);
    await this.#isDecided(extractTopic);
    for (const wrong of exactlyOnce.check(inputs, await this.#readAll(extractTopic))) this.#violated(`${extractTopic}: ${wrong}`);
  }

  /** The log of each partition is stable to its end, without anybody's help: what was left open has timed out. */
  async #isDecided(topic: string): Promise<void> {
    const { bootstrap, trace } = this.#parts;
    const queries = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, spec: "latest" }) as const);
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 3000, requestTimeoutMs: 1500, runtime: this.#runtime("bookkeeper") });
    for (;;) {
      try {
        const ends = await admin.listOffsets(queries);
        const stable = await admin.listOffsets(queries, { isolation: "read_committed" });
        if (ends.every(({ offset }, at) => offset === stable[at]!.offset)) return;
        trace.line(`${topic} is stable to ${stable.map(({ offset }) => offset)} of ${ends.map(({ offset }) => offset)}`, true);
      } catch (error) {
        trace.line(`${topic}: ${(error as Error).message}`, true);
      }
      await this.#sleep(lookEveryMs);
    }
  }

  async #readAll(topic: string): Promise<Reads> {
    const reads = emptyReads();
    await using reader = this.#reader("reviewer", { stopAtEnd: true });
    await reader.assign([{ topic, from: "beginning" }]);
    for await (const { partition, offset, value } of reader) reads.get(partition)!.push({ offset, value: `${value}` });
    return reads;
  }

  async #succeedEachOther(id: string): Promise<void> {
    while (!this.#isOver) {
      const life = this.#nextLife(id);
      life.start();
      await life.whenLeft;
      await this.#sleep(this.#parts.random.next() * 400);
    }
  }

  #nextLife(id: string): TransactionLife {
    const number = (this.#born.get(id) ?? 0) + 1;
    this.#born.set(id, number);
    const life = new TransactionLife(this.#lifeParts, id, number);
    this.#lives.push(life);
    return life;
  }

  async #audit(): Promise<void> {
    const { trace } = this.#parts;
    await this.#auditor.assign([{ topic: ledgerTopic, from: "beginning" }]);
    for (;;) {
      try {
        for await (const { partition, offset, value } of this.#auditor) this.#handed(partition, { offset, value: `${value}` });
        return;
      } catch (error) {
        const { name, message } = error as Error;
        trace.line(`auditor: ${name}: ${message}`);
        const isExpected = error instanceof KafkaProtocolError && !(error instanceof LogTruncated) && !(error instanceof OffsetOutOfRange);
        if (!isExpected) return this.#violated(`the reader fails: ${name}: ${message}`);
      }
    }
  }

  #handed(partition: number, record: ReadRecord): void {
    const records = this.#audited.get(partition)!;
    const last = records.at(-1);
    if (last !== undefined && last.offset >= record.offset)
      this.#violated(`the reader is handed ${partition}@${record.offset} after ${last.offset}`);
    records.push(record);
  }

  #reader(owner: string, more: { readonly stopAtEnd?: boolean; readonly rack?: string; readonly metadataMaxAgeMs?: number }) {
    const { bootstrap } = this.#parts;
    const patience = { requestTimeoutMs: 3000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 500, fetchWaitMaxMs: 300 };
    const runtime = this.#runtime(owner);
    return new Consumer<Buffer, Buffer>({ bootstrap, isolation: "read_committed", offsetReset: "none", ...patience, ...more, runtime });
  }

  #violated(claim: string): void {
    if (!this.#isSuspended) this.#parts.onViolation(`transactions: ${claim}`);
  }

  #runtime(owner: string): ClientRuntime {
    const { clock, network, trace, random } = this.#parts;
    return {
      clock: clock.forOwner(owner),
      transport: network.transportFor(owner),
      random: seededRandom(seedFrom(random)),
      log: trace.logger(owner),
    };
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.schedule("transactions", ms, resolve));
  }
}

function emptyReads(): Reads {
  return new Map(Array.from({ length: partitions }, (_, partition) => [partition, []]));
}

function isAsLong(reads: Reads, than: Reads): boolean {
  return [...than].every(([partition, records]) => reads.get(partition)!.length >= records.length);
}
