import { beforeEach, describe, expect, test } from "vitest";
import type {
  Decision,
  Now,
  ReplayedBatch,
  RequestOrigin,
  ShardEnvironment,
  StateMachine,
  StateRecord,
} from "../../../broker/state-machine/contract.ts";
import { type LedPartitions, Shards } from "../../../broker/state-machine/shards.ts";
import { sweep } from "../../../broker/state-machine/sweep.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { partitionOfKey } from "../../../protocol/base/partition-of-key.ts";
import { readControlRecord } from "../../../protocol/records/decode-batch.ts";
import { type BatchOptions, encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";
import { FakePartition } from "./fake-partition.ts";

// A user of the machinery that knows nothing of groups: counters by name, kept in a topic of their own. What it does, a transaction
// coordinator does too: it has its own records, fences by its leader epoch, and reads what producers have written in transactions.

const topic = "__counters";
const partitionCount = 2;
const idleMs = 60_000;

/** `name` → how often it was counted, in ASCII. A counter that nobody counts for a while is forgotten. */
class Counters implements StateMachine {
  readonly counts = new Map<string, number>();
  hasEnded = false;
  /** Every record that was replayed, as its batch has it. */
  readonly seen: string[] = [];
  readonly #environment: ShardEnvironment;
  /** What producers have written in transactions that are still open. */
  readonly #open = new Map<number, { readonly producerEpoch: number; readonly records: StateRecord[] }>();

  constructor(environment: ShardEnvironment) {
    this.#environment = environment;
  }

  count(name: string, now: Now): Decision<string> {
    const next = (this.counts.get(name) ?? 0) + 1;
    return {
      records: [counted(name, next)],
      answer: `${next} in epoch ${this.#environment.leaderEpoch()}`,
      accepted: () => {
        this.#forgetLater(name, now);
        return [];
      },
    };
  }

  read(name: string): Decision<number> {
    return { records: [], answer: this.counts.get(name) ?? 0 };
  }

  forgetAll(now: Now): readonly Decision<null>[] {
    const steps = [...this.counts.keys()][Symbol.iterator]();
    const recordsOf = (name: string) => [counted(name, null)];
    sweep({ timers: this.#environment.timers, key: "all", steps, bytesOf: () => 1, recordsOf, whenOver: () => {} }, now.monotonicMs);
    return [];
  }

  replay(record: StateRecord, batch: ReplayedBatch): void {
    const { baseOffset, producerId, producerEpoch, baseSequence, isTransactional, isControl } = batch;
    const kind = isControl ? "control" : isTransactional ? "transactional" : "plain";
    this.seen.push(`${baseOffset}: ${kind} ${producerId}/${producerEpoch} ${baseSequence}`);
    if (isControl) return this.#endTransaction(producerId, producerEpoch, record);
    if (!isTransactional) return this.#apply(record);
    const open = this.#open.get(producerId) ?? { producerEpoch, records: [] };
    this.#open.set(producerId, open);
    open.records.push(record);
  }

  loaded(now: Now): void {
    for (const name of this.counts.keys()) this.#forgetLater(name, now);
  }

  ended(): void {
    this.hasEnded = true;
  }

  #endTransaction(producerId: number, producerEpoch: number, marker: StateRecord): void {
    const open = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (open?.producerEpoch === producerEpoch && readControlRecord(marker).kind === "commit") open.records.map((one) => this.#apply(one));
  }

  #apply({ key, value }: StateRecord): void {
    if (value === null) return void this.counts.delete(key.toString());
    const count = Number(value.toString());
    if (Number.isNaN(count)) throw new MalformedFrame("no count");
    this.counts.set(key.toString(), count);
  }

  #forgetLater(name: string, { monotonicMs }: Now): void {
    this.#environment.timers.set(name, monotonicMs + idleMs, () => ({ records: [counted(name, null)], answer: null }));
  }
}

function counted(name: string, count: number | null): StateRecord {
  return { key: Buffer.from(name), value: count === null ? null : Buffer.from(String(count)) };
}

let clock: ManualClock;
let partitions: FakePartition[];
let machines: Counters[];
let lines: string[];
let tell: (ref: TopicPartition, leaderEpoch: number | null) => void;
let counters: Shards<Counters>;
const config = { commitTimeoutMs: 5_000, loadBufferBytes: 4_096, waitingMax: 3 };

beforeEach(() => {
  clock = new ManualClock();
  partitions = Array.from({ length: partitionCount }, () => new FakePartition());
  machines = [];
  lines = [];
  const listeners = new Set<typeof tell>();
  tell = (ref, leaderEpoch) => {
    for (const listener of listeners) listener(ref, leaderEpoch);
  };
  const of = ({ partition }: TopicPartition) => partitions[partition]!;
  const led: LedPartitions = {
    append: (ref, records, guard) => of(ref).append(ref, records, guard),
    appendMarker: (ref, marker) => of(ref).appendMarker(ref, marker),
    guards: (ref) => of(ref).guards(),
    standing: (ref) => of(ref).standing(),
    read: (ref, options) => of(ref).read(ref, options),
    changed: (refs, deadlineMs, signal) => of(refs[0]!).changed(refs, deadlineMs, signal),
    onLeadershipChanged: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const say = (_fields: object, line: string) => void lines.push(line);
  const log: Logger = { ...silentLogger, info: say, error: say };
  counters = new Shards<Counters>({
    topic: { name: topic, what: "counters", partitionCount: () => partitionCount },
    partitions: led,
    clock,
    log,
    config,
    makeMachine: (environment) => {
      const machine = new Counters(environment);
      machines.push(machine);
      return machine;
    },
  });
});

async function lead(partition: number, leaderEpoch: number): Promise<void> {
  tell({ topic, partition }, leaderEpoch);
  for (let i = 0; i < 5; i++) await clock.advance(0);
}

/** Another broker leads; of what is not committed here it has nothing. */
function lose(partition: number): void {
  partitions[partition]!.loseLeadership();
  tell({ topic, partition }, null);
}

/** `null` while it waits. */
async function answerTo<T>(ran: Promise<{ readonly error: null; readonly value: T } | { readonly error: string }>) {
  let answer: T | string | null = null;
  void ran.then((done) => {
    answer = "value" in done ? done.value : done.error;
  });
  await settled();
  return answer as T | string | null;
}

const count = (name: string) => counters.run(name, (machine, now) => machine.count(name, now));
const read = (name: string) => answerTo(counters.run(name, (machine) => machine.read(name)));

/** A name of each partition. */
const [a = "", b = ""] = [0, 1].map((partition) => ["ann", "bob", "cid", "dan"].find((name) => partitionOfKey(name, 2) === partition));

describe("counters on the machinery that groups stand on", () => {
  test("decide on the state there is, append records of their own, replay them, and answer when they are committed", async () => {
    await lead(0, 7);
    expect(await answerTo(count(a))).toBe("1 in epoch 7");
    partitions[0]!.isReplicated = false;
    const waiting = count(a);
    expect([await answerTo(waiting), machines[0]!.counts.get(a)]).toEqual([null, 2]);
    expect(await read(a), "nobody is told what a failing leader could take back").toBeNull();
    partitions[0]!.commit();
    expect(await answerTo(waiting)).toBe("2 in epoch 7");
    expect(partitions[0]!.records().map(({ key, value }) => `${key}=${value}`)).toEqual([`${a}=1`, `${a}=2`]);
  });

  test("are where their partition is led, and nowhere else; other topics are none of their business", async () => {
    expect(await read(a)).toBe("NOT_COORDINATOR");
    tell({ topic: "__consumer_offsets", partition: 0 }, 3);
    expect([counters.count, await read(a)]).toEqual([0, "NOT_COORDINATOR"]);
    await lead(0, 3);
    expect([await read(a), await read(b)]).toEqual([0, "NOT_COORDINATOR"]);
    await lead(1, 3);
    await answerTo(count(a));
    expect(await counters.runOnEach((machine) => ({ records: [], answer: machine.counts.size }))).toEqual([
      { error: null, value: 1 },
      { error: null, value: 0 },
    ]);
  });

  test("are read from the log when the leadership comes back, and tell nobody before all of it is committed", async () => {
    await lead(0, 3);
    for (let i = 0; i < 3; i++) await answerTo(count(a));
    lose(0);
    expect([machines[0]!.hasEnded, await read(a)]).toEqual([true, "NOT_COORDINATOR"]);
    partitions[0]!.isReplicated = false;
    partitions[0]!.append(null, encodeBatch([{ ...counted(a, 4), timestampMs: 1 }]));
    await lead(0, 5);
    expect([counters.servingCount, await read(a)]).toEqual([0, "COORDINATOR_LOAD_IN_PROGRESS"]);
    expect(counters.enter(a, { producerId: 7, producerEpoch: 0 }), "nor is a transaction verified for it").toEqual({
      error: "COORDINATOR_LOAD_IN_PROGRESS",
    });
    partitions[0]!.commit();
    for (let i = 0; i < 5; i++) await clock.advance(0);
    expect([counters.servingCount, await read(a)]).toEqual([1, 4]);
    expect(lines).toEqual(["coordinating the counters of a partition", "coordinating the counters of a partition"]);
  });

  test("fail whoever waits when the leadership is lost, and what was not committed is as if it had not been", async () => {
    await lead(0, 3);
    await answerTo(count(a));
    partitions[0]!.isReplicated = false;
    const waiting = count(a);
    await settled();
    lose(0);
    expect(await answerTo(waiting)).toBe("NOT_COORDINATOR");
    partitions[0]!.isReplicated = true;
    await lead(0, 5);
    expect(await read(a)).toBe(1);
  });

  test("go on in a higher epoch with what they have, and know which it is", async () => {
    await lead(0, 3);
    await answerTo(count(a));
    await lead(0, 4);
    expect([machines.length, await answerTo(count(a))]).toEqual([1, "2 in epoch 4"]);
  });

  test("carry out nothing that may have been meant for an earlier leadership, and close the connection that it came over", async () => {
    const retired: string[] = [];
    const over = (name: string) => ({ acceptedMs: clock.monotonicMs(), retire: () => void retired.push(name) });
    const countOver = (origin: RequestOrigin) => answerTo(counters.run(a, (machine, now) => machine.count(a, now), origin));
    const early = over("early");
    await lead(0, 3);
    expect(await countOver(early), "in its first leadership a broker has nothing old to fear").toBe("1 in epoch 3");
    const old = over("old");
    lose(0);
    expect([await countOver(old), retired]).toEqual(["NOT_COORDINATOR", []]);
    await clock.advance(10);
    const meanwhile = over("meanwhile");
    await lead(0, 5);
    for (const origin of [early, old, meanwhile]) expect(await countOver(origin)).toBe("NOT_COORDINATOR");
    expect(retired).toEqual(["early", "old", "meanwhile"]);
    await clock.advance(1);
    const fresh = over("fresh");
    expect([await countOver(fresh), await read(a)]).toEqual(["2 in epoch 5", 2]);
    await lead(1, 5);
    expect(await answerTo(counters.run(b, (machine, now) => machine.count(b, now), old)), "another shard").toBe("1 in epoch 5");
    await lead(0, 6);
    expect([await countOver(fresh), retired.length]).toEqual(["3 in epoch 6", 3]);
  });

  test("have timers that act while the leadership lasts, are tried again when refused, and begin again after a load", async () => {
    await lead(0, 3);
    await answerTo(count(a));
    partitions[0]!.refusal = "NOT_ENOUGH_REPLICAS";
    await clock.advance(idleMs);
    expect(await read(a)).toBe(1);
    partitions[0]!.refusal = null;
    await clock.advance(1_000);
    expect(await read(a)).toBe(0);
    await answerTo(count(a));
    await clock.advance(idleMs - 1);
    lose(0);
    const { appends } = partitions[0]!;
    await clock.advance(10);
    expect(partitions[0]!.appends, "a shard that has ended appends nothing").toBe(appends);
    await lead(0, 5);
    await clock.advance(idleMs - 1);
    expect(await read(a)).toBe(1);
    await clock.advance(1);
    expect(await read(a)).toBe(0);
  });

  test("sweep what they keep, on every shard", async () => {
    await lead(0, 3);
    await lead(1, 3);
    for (const name of [a, b]) await answerTo(count(name));
    counters.runAll((machine, now) => machine.forgetAll(now));
    await clock.advance(5);
    expect([await read(a), await read(b)]).toEqual([0, 0]);
  });

  test("refuse what is too large for a batch, what the partition refuses, and more requests than may wait", async () => {
    await lead(0, 3);
    partitions[0]!.batchBytesMax = 60;
    expect(await answerTo(count(a))).toBe("MESSAGE_TOO_LARGE");
    partitions[0]!.batchBytesMax = 1_000;
    partitions[0]!.refusal = "NOT_LEADER_OR_FOLLOWER";
    expect(await answerTo(count(a))).toBe("NOT_COORDINATOR");
    partitions[0]!.refusal = null;
    partitions[0]!.isReplicated = false;
    for (let i = 0; i < config.waitingMax; i++) void count(a);
    expect(await answerTo(count(a))).toBe("COORDINATOR_NOT_AVAILABLE");
    expect(machines[0]!.counts.get(a)).toBe(config.waitingMax);
  });
});

describe("a record in its batch", () => {
  const write = (records: readonly StateRecord[], options: BatchOptions) =>
    partitions[0]!.append(
      null,
      encodeBatch(
        records.map((record) => ({ ...record, timestampMs: 1 })),
        options,
      ),
    );
  const inTransaction = (producerId: number, producerEpoch: number) => ({ producerId, producerEpoch, isTransactional: true });
  const marker = (type: 0 | 1): StateRecord => ({ key: Buffer.from([0, 0, 0, type]), value: Buffer.from([0, 0, 0, 0, 0, 9]) });

  test("of the log is replayed with the producer, and with whether it is a transaction's or ends one", async () => {
    write([counted("plain", 1)], {});
    write([counted("idempotent", 1), counted("too", 1)], { producerId: 5, producerEpoch: 2, baseSequence: 40 });
    write([counted("open", 1)], { ...inTransaction(6, 1), baseSequence: 7 });
    write([marker(1)], { ...inTransaction(6, 1), isControl: true });
    await lead(0, 3);
    await answerTo(count(a));
    expect(machines[0]!.seen).toEqual([
      "0: plain -1/-1 -1",
      "1: plain 5/2 40",
      "1: plain 5/2 40",
      "3: transactional 6/1 7",
      "4: control 6/1 -1",
      "5: plain -1/-1 -1",
    ]);
  });

  test("is enough to keep a transaction's records aside until it is committed or aborted", async () => {
    write([counted("committed", 1)], inTransaction(5, 0));
    write([counted("aborted", 1)], inTransaction(6, 0));
    write([counted("open", 1)], inTransaction(7, 0));
    write([marker(1)], { ...inTransaction(5, 0), isControl: true });
    write([marker(0)], { ...inTransaction(6, 0), isControl: true });
    await lead(0, 3);
    expect([...machines[0]!.counts.keys()]).toEqual(["committed"]);
  });

  test("that its user cannot read is left out with a line in the log, and the others are not", async () => {
    write([counted("first", 1), { key: Buffer.from("odd"), value: Buffer.from("many") }, counted("last", 1)], {});
    await lead(0, 3);
    expect([...machines[0]!.counts.keys()]).toEqual(["first", "last"]);
    expect(lines[0]).toBe("a record of the counters' log cannot be read and is left out");
  });
});
