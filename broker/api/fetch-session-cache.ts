import type { Clock } from "../../protocol/base/clock.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import { FetchSession, noSessionId, type WantedPartition } from "./fetch-session.ts";

export interface SessionCacheLimits {
  /** `max.incremental.fetch.session.cache.slots`. */
  readonly sessionsMax: number;
  /** Over all sessions: each is kept for as long as its client uses it. */
  readonly partitionsMax: number;
}

/** Partitions of one session; a client with more fetches without one. Bounds what a client can make us keep. */
const sessionPartitionsMax = 100_000;

/** Of all sessions together, which then take some 330 MB. */
export const sessionsPartitionsMax = 1_000_000;

/** A session unused for this long may be replaced by any other, one older than this by a larger one (KIP-227). */
const evictionMs = 120_000;

/** The fetch sessions of this broker's clients, by id. When there is no room, new clients fetch without one. */
export class FetchSessionCache {
  readonly #limits: SessionCacheLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();
  #partitions = 0;

  constructor(limits: SessionCacheLimits, clock: Clock, random: Random) {
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** In all sessions together. */
  get partitions(): number {
    return this.#partitions;
  }

  find(id: number): FetchSession | undefined {
    return this.#sessions.get(id);
  }

  /** A session with these partitions, or null when there is no room and no session to evict. */
  open(partitions: ReadonlyMap<string, WantedPartition>, usesTopicIds: boolean): FetchSession | null {
    const nowMs = this.#clock.monotonicMs();
    if (partitions.size === 0 || partitions.size > sessionPartitionsMax) return null;
    if (!this.#hasRoomFor(partitions.size, nowMs)) return null;
    if (this.#sessions.size >= this.#limits.sessionsMax) {
      const victim = sessionToReplace(this.#sessions.values(), partitions.size, nowMs);
      if (victim === null) return null;
      this.close(victim.id);
    }
    const session = new FetchSession(this.#unusedId(), usesTopicIds, nowMs);
    session.update(partitions, []);
    this.#sessions.set(session.id, session);
    this.#partitions += session.size;
    return session;
  }

  /** False: it has become too large, alone or with all the others, and is closed. */
  update(session: FetchSession, changed: ReadonlyMap<string, WantedPartition>, forgotten: Iterable<string>): boolean {
    const before = session.size;
    session.update(changed, forgotten);
    const growth = session.size - before;
    this.touch(session); // it must not evict itself
    const fits = session.size <= sessionPartitionsMax && (growth <= 0 || this.#hasRoomFor(growth, this.#clock.monotonicMs()));
    this.#partitions += growth;
    if (!fits) this.close(session.id);
    return fits;
  }

  touch(session: FetchSession): void {
    session.lastUsedMs = this.#clock.monotonicMs();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  close(id: number): void {
    this.#partitions -= this.#sessions.get(id)?.size ?? 0;
    this.#sessions.delete(id);
  }

  /** Makes room by evicting long-unused sessions only: to evict many small sessions for a large one would help the wrong client. */
  #hasRoomFor(partitions: number, nowMs: number): boolean {
    for (const session of this.#sessions.values()) {
      if (this.#partitions + partitions <= this.#limits.partitionsMax || !isUnused(session, nowMs)) break;
      this.close(session.id);
    }
    return this.#partitions + partitions <= this.#limits.partitionsMax;
  }

  /** Random, so that a client cannot hit another's session by chance. */
  #unusedId(): number {
    for (;;) {
      const id = 1 + randomInt(this.#random, 2 ** 31 - 1);
      if (id !== noSessionId && !this.#sessions.has(id)) return id;
    }
  }
}

/** `sessions`: least recently used first. The first unused for long; else the smallest of the old ones, if the newcomer is larger. */
function sessionToReplace(sessions: Iterable<FetchSession>, newSize: number, nowMs: number): FetchSession | null {
  let smallest: FetchSession | null = null;
  for (const session of sessions) {
    if (isUnused(session, nowMs)) return session;
    if (nowMs - session.createdMs > evictionMs && (smallest === null || session.size < smallest.size)) smallest = session;
  }
  return smallest !== null && smallest.size < newSize ? smallest : null;
}

function isUnused(session: FetchSession, nowMs: number): boolean {
  return nowMs - session.lastUsedMs > evictionMs;
}
