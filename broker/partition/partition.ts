import { invariant, unreachable } from "../../protocol/base/invariant.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { type Log, LogOffline } from "../log/log-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { ListingLeader, NoLeader, ProducerStanding, ReadingLeader } from "./client-contract.ts";
import { damageReason, hasBetterCopy } from "./damaged-replica.ts";
import type { PartitionEnvironment, ReplicaIdentity, ReplicaLog } from "./environment.ts";
import { FollowerReader } from "./follower-reader.ts";
import { Followership } from "./followership.ts";
import { FormerLeader } from "./former-leader.ts";
import type { Checkpointed } from "./high-watermark-checkpoint.ts";
import { Leadership } from "./leadership.ts";

type Role =
  | { readonly kind: "none" }
  | { readonly kind: "leading"; readonly leadership: Leadership }
  | { readonly kind: "following"; readonly followership: Followership; readonly reader: FollowerReader }
  /** The leader's log contradicts what is committed here. Until another epoch says otherwise, nothing is done with this replica. */
  | { readonly kind: "diverged"; readonly reason: string }
  /** Named leader, and cannot lead with the log that is there: see `#unfitBecause`. */
  | { readonly kind: "unfit" }
  /** The log is damaged, and others are in sync: one of those leads the partition, or nobody. */
  | { readonly kind: "damaged" }
  /** The log directory failed, for good: only a restart brings it back. */
  | { readonly kind: "offline" };

const none: Role = { kind: "none" };

/** One replica on this broker: its log, and what it is at the moment. */
export class Partition implements ReplicaLog, Checkpointed {
  readonly identity: ReplicaIdentity;
  readonly log: Log;
  readonly #environment: PartitionEnvironment;
  readonly #stopListening: () => void;
  #settings: TopicSettings;
  #role: Role = none;
  /** After a leadership that ended with the session alone. Null in any role. */
  #former: FormerLeader | null = null;
  /**
   * The largest leader epoch heard of in this life; -1: none. Not that of the log: no CRC covers it, and assignments that seem older than a
   * record would be ignored for ever.
   */
  #epoch = -1;
  /** There may be a better copy than this one, as the coordinator last said. */
  #hasBetterCopy = false;
  /** Why this replica cannot be used, as reported to the controller so that it elects another; null: it can. */
  #toldReason: string | null = null;
  /**
   * Why it assumes no role, or must not be elected while nobody leads: it would be elected again and again. Null: it may; or it follows,
   * and its leader says where it must truncate.
   */
  #unfitBecause: string | null = null;
  /** An epoch in which the coordinator has told us that we do not lead, whatever late metadata says. */
  #fencedEpoch = -1;
  /** Kept here while there is no role that keeps it. */
  #restingHighWatermark: number;
  /** The checkpoint's alone. */
  checkpointedHighWatermark: number | null = null;
  /** Counts the ends of roles: to be checked after an `await` between two roles. */
  #turns = 0;
  /** Resolves when no former role touches the log any more. */
  #quiet: Promise<void> = Promise.resolve();

  constructor(identity: ReplicaIdentity, { log, settings }: ReplicaLog, environment: PartitionEnvironment, highWatermark: number) {
    this.identity = identity;
    this.log = log;
    this.#settings = settings;
    this.#environment = environment;
    this.#restingHighWatermark = highWatermark;
    this.#stopListening = log.onDamaged(() => this.#tellHealth());
  }

  get settings(): TopicSettings {
    return this.#settings;
  }

  get highWatermark(): number {
    switch (this.#role.kind) {
      case "leading":
        return this.#role.leadership.state.highWatermark;
      case "following":
        return this.#role.followership.highWatermark;
      default:
        return this.#restingHighWatermark;
    }
  }

  get role(): Role["kind"] {
    return this.#role.kind;
  }

  /** Whether it is known what this replica does, or why it does nothing. */
  get isAccountedFor(): boolean {
    return this.#role.kind !== "none" || this.#toldReason !== null;
  }

  /** The leadership, or the error that says why there is none. */
  leader(): Leadership | NoLeader {
    if (this.#role.kind === "leading") return this.#role.leadership;
    return this.#role.kind === "offline" ? "KAFKA_STORAGE_ERROR" : "NOT_LEADER_OR_FOLLOWER";
  }

  /** Whoever can serve consumers what is committed here. */
  reader(): (ReadingLeader & ListingLeader) | NoLeader {
    return this.#former ?? this.leader();
  }

  /** For consumers close by; null: it does not follow. */
  follower(): ReadingLeader | null {
    return this.#role.kind === "following" ? this.#role.reader : null;
  }

  followership(): Followership | null {
    return this.#role.kind === "following" ? this.#role.followership : null;
  }

  updateSettings(settings: TopicSettings): void {
    this.#settings = settings;
    this.log.updateSettings(settings);
    // how fast it may be copied may have changed
    if (this.#role.kind === "leading") this.#environment.news.written(this.identity);
    else this.followership()?.lookAtThrottle();
  }

  /** Assumes the role that the coordinator has for this partition, unless the log is offline. */
  async assign(record: PartitionRecord): Promise<void> {
    try {
      await this.#assign(record);
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      this.goOffline(error);
    }
  }

  async #assign(record: PartitionRecord): Promise<void> {
    if (this.#role.kind === "offline" || record.leaderEpoch < this.#epoch) return;
    this.#noteCompany(record);
    if (this.#continues(record)) return;
    invariant(record.leaderEpoch >= this.#epoch, "a leader epoch only rises", () => ({ epoch: this.#epoch, record }));
    this.#epoch = record.leaderEpoch;
    if (this.#role.kind === "leading" && this.#isOurs(record)) {
      this.#role.leadership.renew(record);
      this.#role.leadership.tick(); // the leader removes members that are shutting down or cannot use their replica
      this.#environment.news.leads(this.identity, record.leaderEpoch);
      return;
    }
    const turn = this.#retire("lost-leadership");
    await this.#settleLog(this.#isOurs(record) ? record.leaderEpoch : -1);
    // Race: (1) assigned, waiting for a truncation of the former role; (2) the session is lost, everything stands down; (3) the truncation
    // is done.
    // The later word counts.
    if (this.#isOffline() || turn !== this.#turns) return;
    this.#take(record);
  }

  /** Neither leads nor follows until assigned again; what it led, and what was committed of it, can still be read. */
  standDown(): void {
    if (this.#role.kind === "offline") return;
    const role = this.#role;
    this.#retire("lost-leadership");
    if (role.kind === "leading") this.#former = new FormerLeader(this, role.leadership.state);
  }

  goOffline(error: LogOffline): void {
    if (this.#role.kind === "offline") return;
    this.#environment.logger.error({ err: error, partition: this.identity.key }, "the log is offline; this replica is given up");
    this.#retire("log-offline");
    this.#role = { kind: "offline" };
    this.#tell(error.message);
  }

  /** It was assigned some time ago, and does nothing. Until it is assigned again and does, it must not be relied on. */
  giveUp(reason: string): void {
    if (this.isAccountedFor) return;
    this.#unfitBecause = reason;
    this.#tellHealth();
  }

  /** False: nothing is due here until it is reported (`news.leaderMoved`). */
  tick(): boolean {
    if (this.#role.kind !== "leading") return false;
    const isDue = this.#role.leadership.tick();
    this.#tellHealth(); // others may have come into the in-sync set, or left it
    return isDue;
  }

  #noteCompany({ leader, isr }: PartitionRecord): void {
    const hadBetterCopy = this.#hasBetterCopy;
    this.#hasBetterCopy = hasBetterCopy({ self: this.#environment.config.brokerId, leader, isr });
    // what is gone from the end may have been acknowledged with those who were in sync: see `damaged-replica.ts`
    if (hadBetterCopy && this.log.damage?.kind === "end-lost") this.#hasBetterCopy = true;
    this.#tellHealth();
  }

  /** A damaged replica steps aside for a better one, if there is one; a replica that cannot lead, or was set aside, for any other. */
  #tellHealth(): void {
    if (this.#role.kind === "offline") return;
    const { damage } = this.log;
    const isDamaged = damage !== null && (this.#role.kind === "leading" ? this.#role.leadership.hasBetterCopy : this.#hasBetterCopy);
    const setAside = this.#role.kind === "diverged" ? this.#role.reason : this.#unfitBecause;
    this.#tell(setAside ?? (isDamaged ? damageReason(damage) : null));
  }

  #tell(reason: string | null): void {
    if (reason === this.#toldReason) return;
    this.#toldReason = reason;
    this.#environment.health.report(this.identity, reason === null ? { kind: "usable" } : { kind: "offline", reason });
  }

  producers(): readonly ProducerStanding[] {
    return [...new Map(this.log.producerRows().map((row) => [row.producerId, row])).values()];
  }

  /** Ends the role; resolves when the log is no longer used. */
  async close(): Promise<void> {
    this.#retire("lost-leadership");
    await this.#settleLog(Number.MAX_SAFE_INTEGER);
    this.#stopListening();
  }

  /** True when the record changes nothing about our role; it may bring minor changes. */
  #continues(record: PartitionRecord): boolean {
    const role = this.#role;
    if (record.leaderEpoch !== this.#epoch) return false;
    switch (role.kind) {
      case "leading":
        if (record.leader !== this.#environment.config.brokerId) return false;
        role.leadership.note(record);
        return true;
      case "following":
        if (record.leader !== role.followership.leader) return false;
        role.followership.note(record);
        return true;
      case "diverged":
        return !record.leaderRecovering;
      case "unfit":
        return this.#isOurs(record);
      case "damaged":
        return this.#isOurs(record) && this.#mustNotLead();
      case "none":
        return record.leader === this.#environment.config.brokerId && this.#fencedEpoch >= record.leaderEpoch;
      case "offline":
        return true;
      default:
        return unreachable(role);
    }
  }

  #isOurs({ leader, isr }: PartitionRecord): boolean {
    const { brokerId } = this.#environment.config;
    return leader === brokerId && isr.includes(brokerId);
  }

  #mustNotLead(): boolean {
    return this.log.damage !== null && this.#hasBetterCopy;
  }

  #take(record: PartitionRecord): void {
    const { identity, log } = this;
    const { logger, config, news } = this.#environment;
    const highWatermark = Math.min(Math.max(this.#restingHighWatermark, log.startOffset), log.writtenEndOffset);
    this.#restingHighWatermark = highWatermark;
    const onLogOffline = (error: LogOffline) => this.goOffline(error);
    const environment = this.#environment;
    const fields = { partition: identity.key, leaderEpoch: record.leaderEpoch, endOffset: log.endOffset, highWatermark };
    const willFollow = record.leader >= 0 && record.leader !== config.brokerId;
    this.#unfitBecause = willFollow ? null : unfitReason(log.lastEpoch, record.leaderEpoch);
    if (this.#isOurs(record) && this.#mustNotLead()) {
      logger.error({ ...fields, isr: record.isr, damage: log.damage }, "damaged, and others are in sync: not leading");
      this.#role = { kind: "damaged" };
    } else if (this.#isOurs(record) && this.#unfitBecause !== null) {
      logger.error(
        { ...fields, isr: record.isr, reason: this.#unfitBecause },
        "damaged: not leading. Look at the disk and at what ottla log verify says of the log",
      );
      this.#role = { kind: "unfit" };
    } else if (this.#isOurs(record)) {
      logger.info({ ...fields, isr: record.isr }, "leading");
      const onFenced = (reason: string) => this.#onFenced(reason);
      const leadership = new Leadership({ identity, replica: this, environment, onFenced, onLogOffline }, record, highWatermark);
      this.#role = { kind: "leading", leadership };
      leadership.tick(); // the leader removes members that are shutting down or cannot use their replica
      news.leads(identity, record.leaderEpoch);
      news.committed(identity.key);
      news.written(identity);
    } else if (record.leader === config.brokerId) {
      this.#unfitBecause = "the coordinator names it leader, with an in-sync set that it is not in";
      logger.error({ ...fields, isr: record.isr }, "named leader without being in the in-sync set: not leading");
    } else if (record.leader >= 0) {
      logger.info({ ...fields, leader: record.leader }, "following");
      const onDataDiverged = (reason: string) => this.#onDataDiverged(reason);
      const onBegunAnew = () => this.#tellHealth();
      const settings = () => this.#settings;
      const parts = { identity, log, settings, environment, onDataDiverged, onLogOffline, onBegunAnew };
      const followership = new Followership(parts, record, highWatermark);
      this.#role = { kind: "following", followership, reader: this.#readerOf(followership) };
      news.follows(identity);
    }
    this.#tellHealth();
  }

  #readerOf(followership: Followership): FollowerReader {
    const { cluster, clock, news } = this.#environment;
    return new FollowerReader({
      replica: this,
      standing: () => followership.standing,
      cluster,
      nowMs: () => clock.monotonicMs(),
      onRead: (leader) => news.readHere(leader),
    });
  }

  #onFenced(reason: string): void {
    this.#environment.logger.warn({ partition: this.identity.key, leaderEpoch: this.#epoch, reason }, "fenced, leading no more");
    this.#fencedEpoch = this.#epoch;
    this.#retire("lost-leadership");
  }

  #onDataDiverged(reason: string): void {
    this.#environment.logger.error(
      { partition: this.identity.key, reason },
      "DATA DIVERGENCE: this replica and its leader disagree about committed records; the replica is set aside, its log untouched",
    );
    this.#retire("lost-leadership");
    this.#role = { kind: "diverged", reason: `set aside, its log untouched: ${reason}` };
    this.#tellHealth();
  }

  /** Ends the role in this turn of the loop. Answers the turn's number. */
  #retire(why: "lost-leadership" | "log-offline"): number {
    const role = this.#role;
    this.#restingHighWatermark = this.highWatermark;
    this.#role = none;
    this.#former?.end();
    this.#former = null;
    if (role.kind === "leading") {
      role.leadership.end(why);
      this.#environment.news.leads(this.identity, null);
      this.#environment.news.committed(this.identity.key);
      this.#environment.news.written(this.identity);
    }
    if (role.kind === "following") {
      const ended = role.followership.end().then(() => {
        this.#restingHighWatermark = role.followership.highWatermark;
      });
      this.#quiet = Promise.all([this.#quiet, ended]).then(() => undefined);
      this.#environment.news.follows(this.identity);
      this.#environment.news.committed(this.identity.key);
    }
    this.#turns++;
    return this.#turns;
  }

  /**
   * Waits until no former role uses the log and everything queued is written: the next role begins from what is really there. One after the
   * other: on a disk that hangs several roles may wait, and no truncation of an earlier one's may meet appends of a later one.
   *
   * A follower must also forget epochs of its own that have no record: (1) we led in epoch 3 from offset 6, nothing was appended; (2) the
   * leader of epoch 4 has one more record of epoch 1 at offset 6, and we copy it; (3) were epoch 3 still noted from offset 6 on, we would
   * say as a later leader that epoch 1 ended there, and have followers cut a record that is committed.
   *
   * `ledEpoch`: the epoch in which we are to lead; what is noted of later ones (from a damaged file, or a coordinator restored to an
   * earlier state) is forgotten.
   */
  #settleLog(ledEpoch: number): Promise<void> {
    const settled = this.#quiet.then(() => this.#settleQuietLog(ledEpoch));
    // what it throws goes to its caller
    this.#quiet = settled.catch(() => undefined);
    return settled;
  }

  async #settleQuietLog(ledEpoch: number): Promise<void> {
    const { log } = this;
    try {
      await log.written(log.endOffset);
      const latest = log.endOffsetForEpoch(Number.MAX_SAFE_INTEGER)?.epoch ?? -1;
      if (latest > log.lastEpoch && latest > ledEpoch) await log.truncateTo(log.endOffset);
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      this.goOffline(error);
    }
  }

  #isOffline(): boolean {
    return this.#role.kind === "offline";
  }
}

/** Nobody appends under an epoch that was not assigned yet: a batch was changed on disk, and no CRC covers its epoch. */
function unfitReason(lastEpoch: number, leaderEpoch: number): string | null {
  return lastEpoch > leaderEpoch ? `its last record has leader epoch ${lastEpoch}, which no leader has had` : null;
}
