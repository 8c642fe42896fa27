import type { TreeObserver } from "./observer.ts";
import { logDirectories, type SimBroker } from "./sim-broker.ts";
import { readHighWatermarks, readStoredLog, type StoredLog } from "./stored-log.ts";
import type { PlacedRecord, Send } from "./workload.ts";

export interface CheckerParts {
  readonly topic: string;
  readonly partitions: number;
  readonly brokers: readonly SimBroker[];
  readonly observer: TreeObserver;
  /** This broker lost unsynced bytes while it was in sync, and has not left the in-sync set since. */
  readonly mayLackRecords: (broker: number, partition: number) => boolean;
  readonly onViolation: (claim: string) => void;
}

/**
 * A second opinion on what the cluster stores, from the files and what clients were told, sharing no code with the broker: I1, I4, I5, I6, I9.
 * Committed is what was acknowledged with acks=all, what a consumer was given, and what lies below a high watermark on a disk.
 */
export class Checker {
  readonly #parts: CheckerParts;
  /** By partition, then offset. */
  readonly #committed: Map<number, string>[];
  readonly #consumedEnd: number[];
  /** By partition: somebody asked for what is below to be deleted. It may be gone, nothing else. */
  readonly #mayBeGone: number[];
  /** Which batch was written at an offset in an epoch: there can be only one. */
  readonly #batches = new Map<string, number>();

  constructor(parts: CheckerParts) {
    this.#parts = parts;
    this.#committed = Array.from({ length: parts.partitions }, () => new Map());
    this.#consumedEnd = Array.from({ length: parts.partitions }, () => 0);
    this.#mayBeGone = Array.from({ length: parts.partitions }, () => 0);
  }

  acknowledged(record: PlacedRecord): void {
    this.#commit(record, "I1 acknowledged");
  }

  consumed(record: PlacedRecord): void {
    const { partition, offset } = record;
    const due = this.#consumedEnd[partition];
    if (offset !== due) this.#parts.onViolation(`I6 the consumer got offset ${offset} of partition ${partition} where ${due} was due`);
    this.#consumedEnd[partition] = offset + 1;
    this.#commit(record, "I6 consumed");
  }

  /** To be called before it is asked for. */
  deletes(partition: number, beforeOffset: number): void {
    this.#mayBeGone[partition] = Math.max(beforeOffset, this.#mayBeGone[partition] ?? 0);
  }

  consumedEnd(partition: number): number {
    return this.#consumedEnd[partition] ?? 0;
  }

  committedCount(): number {
    return this.#committed.reduce((sum, offsets) => sum + offsets.size, 0);
  }

  /** While the cluster runs, whatever is broken: every live in-sync replica has every committed record. */
  look(): void {
    const { brokers, partitions, observer, mayLackRecords } = this.#parts;
    for (const broker of brokers) {
      if (!broker.isReady) continue;
      for (let partition = 0; partition < partitions; partition++) {
        const log = this.#read(broker, partition);
        if (log === null || mayLackRecords(broker.id, partition)) continue;
        this.#checkBatches(broker, partition, log);
        this.#takeHighWatermark(broker, partition, log);
        if (observer.state(partition)?.isr.includes(broker.id)) this.#checkCommitted(broker, partition, log);
      }
    }
  }

  /** Whether every broker stores the same batches by now. */
  areAlike(): boolean {
    const { brokers, partitions } = this.#parts;
    for (let partition = 0; partition < partitions; partition++) {
      const logs = brokers.map((broker) => this.#read(broker, partition)).filter((log) => log !== null);
      const [first] = logs;
      if (first === undefined || logs.length < brokers.length || !logs.every((log) => areEqual(first, log))) return false;
    }
    return true;
  }

  /** After convergence: the same batches everywhere, every acknowledged record at its offset, everything consumed, in the order of sending. */
  finish(sends: readonly Send[]): void {
    const { brokers, partitions, onViolation } = this.#parts;
    this.look();
    for (let partition = 0; partition < partitions; partition++) {
      const logs = brokers.map((broker) => this.#read(broker, partition));
      const [first] = logs;
      for (const [index, log] of logs.entries()) {
        const host = brokers[index]?.host;
        if (log == null || log.damage !== null) onViolation(`I5 ${host} partition ${partition}: ${log?.damage ?? "no log"}`);
        else if (!areEqual(first!, log)) onViolation(`I4 ${host} and b1 differ in partition ${partition}: ${difference(first!, log)}`);
      }
      if (first == null) continue;
      const end = first.startOffset + first.records.length;
      if (this.#consumedEnd[partition] !== end)
        onViolation(`I6 partition ${partition} ends at ${end}, consumed up to ${this.#consumedEnd[partition]}`);
      this.#checkOnceInOrder(sends, partition, first);
    }
  }

  /** What the idempotent producer sent: once if it was acknowledged, at most once if not, and in the order of sending. Others' records may be repeated. */
  #checkOnceInOrder(sends: readonly Send[], partition: number, first: StoredLog): void {
    const { records } = first;
    const { onViolation } = this.#parts;
    const sent = sends.filter((send) => send.partition === partition);
    const places = new Map(sent.map(({ value }, place) => [value, place]));
    const offsets = new Map<number, number>();
    let last = -1;
    for (const { offset, value } of records) {
      const place = places.get(value);
      if (place === undefined) continue;
      const before = offsets.get(place);
      if (before !== undefined) onViolation(`I9 partition ${partition}: ${name(value)} is at ${before} and again at ${offset}`);
      else if (place < last) onViolation(`I9 partition ${partition}: ${name(value)} is at ${offset}, behind records that were sent later`);
      offsets.set(place, offset);
      last = Math.max(last, place);
    }
    for (const [place, { state, value, offset }] of sent.entries())
      if (state === "acknowledged" && offset >= this.#goneUpTo(partition, first) && offsets.get(place) !== offset)
        onViolation(`I9 partition ${partition}: ${name(value)} was acknowledged at ${offset} and is at ${offsets.get(place)}`);
  }

  #read(broker: SimBroker, partition: number): StoredLog | null {
    const folder = broker.folderOf(`${this.#parts.topic}-${partition}`);
    return folder === null ? null : readStoredLog(broker.disk, folder);
  }

  #commit({ partition, offset, value }: PlacedRecord, claim: string): void {
    const known = this.#committed[partition]?.get(offset);
    if (known === undefined) this.#committed[partition]?.set(offset, value);
    else if (known !== value)
      this.#parts.onViolation(`${claim}: partition ${partition} offset ${offset} is ${name(value)}, and was committed as ${name(known)}`);
  }

  #checkBatches(broker: SimBroker, partition: number, log: StoredLog): void {
    for (const { baseOffset, epoch, checksum } of log.batches) {
      const key = `${partition}@${baseOffset} epoch ${epoch}`;
      const known = this.#batches.get(key);
      if (known === undefined) this.#batches.set(key, checksum);
      else if (known !== checksum) this.#parts.onViolation(`I2 two batches at ${key}, one of them on ${broker.host}`);
    }
  }

  #takeHighWatermark(broker: SimBroker, partition: number, log: StoredLog): void {
    const key = `${this.#parts.topic}-${partition}`;
    const directory = logDirectories.find((one) => broker.folderOf(key) === `${one}/${key}`) ?? logDirectories[0];
    const highWatermark = readHighWatermarks(broker.disk, directory).get(key) ?? 0;
    for (const { offset, value } of log.records) {
      if (offset >= highWatermark) break;
      this.#commit({ partition, offset, value }, `I4 below the high watermark ${highWatermark} of ${broker.host}`);
    }
  }

  /** Offsets below are rightly not in this log. */
  #goneUpTo(partition: number, { startOffset }: StoredLog): number {
    return Math.min(startOffset, this.#mayBeGone[partition] ?? 0);
  }

  #checkCommitted(broker: SimBroker, partition: number, log: StoredLog): void {
    for (const [offset, value] of this.#committed[partition] ?? []) {
      if (offset < this.#goneUpTo(partition, log)) continue;
      const stored = log.records[offset - log.startOffset];
      if (stored?.value === value) continue;
      const has =
        stored === undefined
          ? `its log begins at ${log.startOffset} and ends at ${log.startOffset + log.records.length}${log.damage ? ` (${log.damage})` : ""}`
          : `it has ${name(stored.value)}`;
      return this.#parts.onViolation(
        `I1 ${broker.host} is in sync and lacks offset ${offset} of partition ${partition}, ${name(value)}: ${has}`,
      );
    }
  }
}

/** The same batches from where both begin: a last segment may hold deleted records on one replica and be gone on another. */
function areEqual(a: StoredLog, b: StoredLog): boolean {
  const from = Math.max(a.startOffset, b.startOffset);
  const batchesOf = ({ batches }: StoredLog) =>
    batches.flatMap(({ baseOffset, epoch, checksum }) => (baseOffset >= from ? [`${baseOffset} ${epoch} ${checksum}`] : [])).join();
  return a.startOffset + a.records.length === b.startOffset + b.records.length && batchesOf(a) === batchesOf(b);
}

function name(value: string): string {
  return value.slice(0, value.indexOf(":"));
}

function difference(a: StoredLog, b: StoredLog): string {
  const at = a.batches.findIndex(
    (batch, index) => batch.checksum !== b.batches[index]?.checksum || batch.epoch !== b.batches[index]?.epoch,
  );
  return `${a.batches.length} and ${b.batches.length} batches, ${at < 0 ? "the second is longer" : `other ones from offset ${a.batches[at]?.baseOffset} on`}`;
}
