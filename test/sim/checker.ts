import type { TreeObserver } from "./observer.ts";
import type { Retention } from "./plan.ts";
import { RetentionCheck } from "./retention-check.ts";
import { logDirectories, type SimBroker } from "./sim-broker.ts";
import { readCheckpoint, readStoredLog, type StoredLog, type StoredRecord } from "./stored-log.ts";
import { isTombstone, type PlacedRecord, type Send } from "./workload.ts";

export interface CheckerParts {
  readonly topic: string;
  readonly partitions: number;
  readonly brokers: readonly SimBroker[];
  readonly observer: TreeObserver;
  /** Null: only what somebody asked to delete may be gone. */
  readonly retention: Retention | null;
  /** The wall clock that is furthest ahead: what is not old enough by that one is not old enough by any. */
  readonly nowMs: () => number;
  /** This broker lost unsynced bytes while it was in sync, and has not left the ISR since. */
  readonly mayLackRecords: (broker: number, partition: number) => boolean;
  readonly onViolation: (claim: string) => void;
}

type Known = Pick<PlacedRecord, "offset" | "key" | "value">;

/**
 * A second opinion on what the cluster stores, from the files and what clients were told, sharing no code with the broker: I1, I4, I5, I6,
 * I9. Committed is what was acknowledged with acks=all, what a consumer was given, and what is below a high watermark on a disk. If the
 * topic is compacted, a committed record may be gone once a later one of its key is there, or a committed tombstone of it was; the
 * remaining records stay at their offsets.
 */
export class Checker {
  readonly #parts: CheckerParts;
  /** The topic is compacted. */
  isCompacted = false;
  /**
   * Replicas and the consumer may be away for longer than tombstones stay. Then they may not learn of a deletion, and such a replica shows
   * what was deleted when it leads.
   */
  tombstonesLeave = false;
  /** By partition, then offset. */
  readonly #committed: Map<number, Known>[];
  /** By partition, then key: the offset of its last committed tombstone. */
  readonly #tombstones: Map<string, number>[];
  /** By partition, then key: what the consumer was given last. */
  readonly #consumed: Map<string, string>[];
  readonly #consumedEnd: number[];
  /**
   * By partition: the offset below which somebody requested deletion, or retention by age or size was seen to delete rightly. Records below
   * it may be gone, no others.
   */
  readonly #mayBeGone: number[];
  readonly #retention: readonly RetentionCheck[];
  /** By partition: the consumer continued there, because what was before was gone. */
  readonly #skippedTo: number[];
  /** Which batch was written at an offset in an epoch: there can be only one. */
  readonly #batches = new Map<string, number | string>();

  constructor(parts: CheckerParts) {
    this.#parts = parts;
    this.#committed = Array.from({ length: parts.partitions }, () => new Map());
    this.#tombstones = Array.from({ length: parts.partitions }, () => new Map());
    this.#consumed = Array.from({ length: parts.partitions }, () => new Map());
    this.#consumedEnd = Array.from({ length: parts.partitions }, () => 0);
    this.#mayBeGone = Array.from({ length: parts.partitions }, () => 0);
    this.#skippedTo = Array.from({ length: parts.partitions }, () => 0);
    const { retention } = parts;
    this.#retention = retention === null ? [] : Array.from({ length: parts.partitions }, () => new RetentionCheck(retention));
  }

  acknowledged(record: PlacedRecord): void {
    this.#commit(record, "I1 acknowledged");
  }

  consumed(record: PlacedRecord): void {
    const { partition, offset, key, value } = record;
    const due = this.#consumedEnd[partition] ?? 0;
    const isRetained = this.#parts.retention === null;
    if (offset < due || (offset > due && !this.isCompacted && isRetained))
      this.#parts.onViolation(`I6 the consumer got offset ${offset} of partition ${partition} where ${due} was due`);
    // a log start offset moves before the files are deleted: whether it may be there is checked later
    else if (offset > due && !isRetained) this.#skippedTo[partition] = offset;
    this.#consumedEnd[partition] = offset + 1;
    if (key !== null) this.#consumed[partition]?.set(key, value);
    this.#commit(record, "I6 consumed");
  }

  /** Handed out by any broker, in whatever order. */
  readAnywhere(record: PlacedRecord, where: string): void {
    this.#commit(record, `I6 read ${where}`);
  }

  /** Records below may be gone. */
  goneUpTo(partition: number): number {
    return this.#mayBeGone[partition] ?? 0;
  }

  /** To be called before the deletion is requested. */
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
        this.#checkStart(broker, partition, log);
        this.#checkBatches(broker, partition, log);
        this.#takeHighWatermark(broker, partition, log);
        if (observer.state(partition)?.isr.includes(broker.id)) this.#checkCommitted(broker, partition, log);
      }
    }
  }

  /**
   * At the moment in which the ISR has changed: its members have what was committed, even if the acknowledgement is only now on its way.
   */
  lookAtMembers(partition: number): void {
    const { brokers, observer, mayLackRecords } = this.#parts;
    for (const broker of brokers) {
      if (!observer.state(partition)?.isr.includes(broker.id) || mayLackRecords(broker.id, partition)) continue;
      const log = this.#read(broker, partition);
      if (log === null) continue;
      this.#checkStart(broker, partition, log);
      this.#checkCommitted(broker, partition, log);
    }
  }

  /** Whether every broker stores the same batches by now. */
  areAlike(): boolean {
    const { brokers, partitions } = this.#parts;
    for (let partition = 0; partition < partitions; partition++) {
      const logs = brokers.map((broker) => this.#read(broker, partition)).filter((log) => log !== null);
      const [first] = logs;
      if (first === undefined || logs.length < brokers.length || !logs.every((log) => this.#areEqual(first, log))) return false;
    }
    return true;
  }

  /**
   * After convergence: the same batches everywhere, every acknowledged record at its offset, everything consumed, in the order of sending.
   */
  finish(sends: readonly Send[]): void {
    const { brokers, partitions, onViolation } = this.#parts;
    this.look();
    for (let partition = 0; partition < partitions; partition++) {
      const logs = brokers.map((broker) => this.#read(broker, partition));
      const [first] = logs;
      for (const [index, log] of logs.entries()) {
        const host = brokers[index]?.host;
        if (log == null || log.damage !== null) onViolation(`I5 ${host} partition ${partition}: ${log?.damage ?? "no log"}`);
        else if (!this.#areEqual(first!, log))
          onViolation(`I4 ${host} and b1 differ in partition ${partition}: ${difference(first!, log)}`);
      }
      if (first == null) continue;
      if (this.#skippedTo[partition]! > this.#mayBeGone[partition]!)
        onViolation(`I6 the consumer went on at ${this.#skippedTo[partition]} of partition ${partition}, where nothing was gone`);
      const end = first.endOffset;
      if (this.#consumedEnd[partition] !== end)
        onViolation(`I6 partition ${partition} ends at ${end}, consumed up to ${this.#consumedEnd[partition]}`);
      this.#checkOnceInOrder(sends, partition, first);
      if (this.isCompacted) this.#checkNewestConsumed(partition, first);
    }
  }

  /**
   * Of each key, the consumer was given the newest record. But a replica that was away for longer than delete.retention.ms keeps what was
   * deleted meanwhile, as Kafka's do: the tombstone is gone where it continues to fetch. The same goes for a consumer.
   */
  #checkNewestConsumed(partition: number, { records }: StoredLog): void {
    const newest = new Map(records.map(({ key, ...record }) => [key ?? "", record]));
    for (const [key, { offset, value }] of newest) {
      const seen = this.#consumed[partition]?.get(key);
      const isDeleted = (this.#tombstones[partition]?.get(key) ?? -1) >= offset;
      if (seen !== value && !(isDeleted && this.tombstonesLeave))
        this.#parts.onViolation(`I6 the consumer has ${seen && name(seen)} of ${key}, and the log ${name(value)}`);
    }
  }

  #areEqual(a: StoredLog, b: StoredLog): boolean {
    return this.isCompacted ? agree(a, b) : areEqual(a, b);
  }

  /**
   * What the idempotent producer sent: once if it was acknowledged, at most once if not, and in the order of sending. Records of others may
   * be duplicated.
   */
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
    const mayLack = this.#mayLack(partition, first);
    for (const [place, { state, key, value, offset }] of sent.entries())
      if (state === "acknowledged" && offsets.get(place) !== offset && (offsets.has(place) || !mayLack({ offset, key })))
        onViolation(`I9 partition ${partition}: ${name(value)} was acknowledged at ${offset} and is at ${offsets.get(place)}`);
  }

  /** A log begins where records were deleted by request, or where retention may have deleted. */
  #checkStart(broker: SimBroker, partition: number, log: StoredLog): void {
    const check = this.#retention[partition];
    if (check === undefined) return;
    const known = this.#mayBeGone[partition] ?? 0;
    if (log.startOffset > known) {
      const logs = this.#parts.brokers.map((other) => this.#read(other, partition)).filter((other) => other !== null);
      const refused = check.refuse(log.startOffset, known, logs, this.#parts.nowMs());
      if (refused !== null) this.#parts.onViolation(`I5 ${broker.host} partition ${partition}: deleted too early: ${refused}`);
      this.#mayBeGone[partition] = log.startOffset;
    }
    check.seen(log.batches);
  }

  #read(broker: SimBroker, partition: number): StoredLog | null {
    const folder = broker.folderOf(`${this.#parts.topic}-${partition}`);
    return folder === null ? null : readStoredLog(broker.disk, folder, this.isCompacted);
  }

  #commit({ partition, offset, key, value }: PlacedRecord, claim: string): void {
    const known = this.#committed[partition]?.get(offset)?.value;
    if (known === undefined) {
      this.#committed[partition]?.set(offset, { offset, key, value });
      const tombstones = this.#tombstones[partition];
      if (key !== null && isTombstone(value)) tombstones?.set(key, Math.max(offset, tombstones.get(key) ?? 0));
    } else if (known !== value)
      this.#parts.onViolation(`${claim}: partition ${partition} offset ${offset} is ${name(value)}, and was committed as ${name(known)}`);
  }

  #checkBatches(broker: SimBroker, partition: number, log: StoredLog): void {
    // compaction changes batches, and each replica has its own
    const written = this.isCompacted
      ? log.records.map(({ offset, epoch, key, value }) => [offset, epoch, `${key} ${value}`] as const)
      : log.batches.map(({ baseOffset, epoch, checksum }) => [baseOffset, epoch, checksum] as const);
    for (const [offset, epoch, content] of written) {
      const key = `${partition}@${offset} epoch ${epoch}`;
      const known = this.#batches.get(key);
      if (known === undefined) this.#batches.set(key, content);
      else if (known !== content) this.#parts.onViolation(`I2 two batches at ${key}, one of them on ${broker.host}`);
    }
  }

  #takeHighWatermark(broker: SimBroker, partition: number, log: StoredLog): void {
    const highWatermark = this.#checkpointed(broker, partition, "replication-offset-checkpoint");
    for (const { offset, key: recordKey, value } of log.records) {
      if (offset >= highWatermark) break;
      this.#commit({ partition, offset, key: recordKey, value }, `I4 below the high watermark ${highWatermark} of ${broker.host}`);
    }
  }

  #checkpointed(broker: SimBroker, partition: number, name: "replication-offset-checkpoint" | "log-start-offset-checkpoint"): number {
    const key = `${this.#parts.topic}-${partition}`;
    const directory = logDirectories.find((one) => broker.folderOf(key) === `${one}/${key}`) ?? logDirectories[0];
    return readCheckpoint(broker.disk, directory, name).get(key) ?? 0;
  }

  /** Offsets below are rightly not in this log. */
  #goneUpTo(partition: number, { startOffset }: StoredLog): number {
    return Math.min(startOffset, this.#mayBeGone[partition] ?? 0);
  }

  /** Which records are rightly not in this log: deleted ones, and superseded ones where it is compacted. */
  #mayLack(partition: number, log: StoredLog): (record: Pick<Known, "offset" | "key">) => boolean {
    const gone = this.#goneUpTo(partition, log);
    if (!this.isCompacted) return ({ offset }) => offset < gone;
    const newest = new Map(log.records.map(({ key, offset }) => [key, offset]));
    const tombstones = this.#tombstones[partition];
    return ({ offset, key }) =>
      offset < gone || (key !== null && ((newest.get(key) ?? -1) > offset || (tombstones?.get(key) ?? -1) >= offset));
  }

  #checkCommitted(broker: SimBroker, partition: number, log: StoredLog): void {
    const mayLack = this.#mayLack(partition, log);
    // records below a log start offset are still in the segment's file, but do not count: among them those that its leader never had, and
    // no longer knows anything about
    const begin = this.#checkpointed(broker, partition, "log-start-offset-checkpoint");
    const byOffset = new Map(log.records.map((record) => [record.offset, record]));
    for (const [offset, { key, value }] of this.#committed[partition] ?? []) {
      if (offset < Math.min(begin, this.#mayBeGone[partition]!)) continue;
      const stored = byOffset.get(offset);
      if (stored?.value === value || (stored === undefined && mayLack({ offset, key }))) continue;
      const has =
        stored === undefined
          ? `its log begins at ${log.startOffset} and ends at ${log.endOffset}${log.damage ? ` (${log.damage})` : ""}`
          : `it has ${name(stored.value)}`;
      return this.#parts.onViolation(
        `I1 ${broker.host} is in sync and lacks offset ${offset} of partition ${partition}, ${name(value)}: ${has}`,
      );
    }
  }
}

/** The same batches from where both begin: a last segment may hold deleted records on one replica and be deleted on another. */
function areEqual(a: StoredLog, b: StoredLog): boolean {
  const from = Math.max(a.startOffset, b.startOffset);
  const batchesOf = ({ batches }: StoredLog) =>
    batches.flatMap(({ baseOffset, epoch, checksum }) => (baseOffset >= from ? [`${baseOffset} ${epoch} ${checksum}`] : [])).join();
  return a.endOffset === b.endOffset && batchesOf(a) === batchesOf(b);
}

/** The same records at the offsets at which both have one, up to the same end: each replica is compacted by itself. */
function agree(a: StoredLog, b: StoredLog): boolean {
  const known = new Map(a.records.map((record) => [record.offset, record]));
  const isSame = ({ offset, epoch, key, value }: StoredRecord) => {
    const other = known.get(offset);
    return other === undefined || (other.epoch === epoch && other.key === key && other.value === value);
  };
  return a.endOffset === b.endOffset && b.records.every(isSame);
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
