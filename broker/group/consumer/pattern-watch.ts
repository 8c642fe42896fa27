import { answered, type Decision, type Now, type ShardTimers } from "../../state-machine/contract.ts";
import type { StateMemory } from "../../state-machine/state-memory.ts";
import type { GroupRecord, TopicSource, TopicsView } from "../contract.ts";
import { PatternCompiler } from "../patterns/pattern-compiler.ts";
import { type KnownMatches, PatternPass } from "../patterns/pattern-pass.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { groupEpochRecord, patternRecord, subscribedTopicsRecord } from "./consumer-group-records.ts";
import { assignableBytes, matchesBytes } from "./member-bytes.ts";
import { existingTopics, sameSubscribedTopics, subscribedNames } from "./subscribed-topics.ts";

/** Steps of matching in one slice: about 1 ms of the most expensive kind. */
const stepsPerSliceMax = 50_000;
/** From one slice to the next at the least: half of the time is for other work. */
const msPerSlice = 6;
/** Between two passes of a group, however often topics change. Kafka's groups wait ten times as long. */
const betweenPassesMs = 1_000;

/** Attempts to append what a pass found, before a longer pause. */
const attemptsMax = 3;
const afterRefusalsMs = 30_000;

/**
 * Which group may match next, over all groups and shards of a broker: one slice at a time, however many groups wait. Also holds their
 * expressions.
 */
export class PatternTurns {
  readonly expressions = new PatternCompiler();
  #nextMs = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** When the caller gets a slice. */
  reserve(nowMs: number): number {
    const atMs = Math.max(nowMs, this.#nextMs);
    this.#nextMs = atMs + msPerSlice;
    return atMs;
  }

  /** False: another caller has just had one (late timers fire together): reserve again. */
  begin(nowMs: number): boolean {
    if (nowMs < this.#lastMs + 1) return false;
    this.#lastMs = nowMs;
    return true;
  }

  /** A slice took this many steps; more than it should when it reached a long name. */
  took(steps: number, nowMs: number): void {
    this.#nextMs = Math.max(this.#nextMs, nowMs + Math.ceil((steps / stepsPerSliceMax) * msPerSlice));
  }
}

interface Watched {
  /** Of the last pass that was adopted; null: none was. */
  among: ReadonlyMap<string, unknown> | null;
  /** The running pass; null: none. */
  pass: PatternPass | null;
  /** A timer is set, or what the pass found waits to be appended. */
  isScheduled: boolean;
  /** How often that was attempted. */
  attempts: number;
  notBeforeMs: number;
}

export interface PatternWatchParts {
  readonly timers: ShardTimers;
  readonly topics: TopicSource;
  readonly turns: PatternTurns;
  readonly memory: Pick<StateMemory, "hasRoomFor">;
  readonly find: (groupId: string) => ConsumerGroup | undefined;
}

/**
 * Finds which topics the groups' expressions match: for a member's new expression, and again when the topics change. Runs on the shard's
 * timers, a slice at a time.
 */
export class PatternWatch {
  readonly #parts: PatternWatchParts;
  readonly #watched = new Map<string, Watched>();

  constructor(parts: PatternWatchParts) {
    this.#parts = parts;
  }

  /** Called with a heartbeat, like everything that groups learn of topics. */
  look(group: ConsumerGroup, now: Now): void {
    if (!hasPatterns(group)) return this.forget(group.groupId);
    const watched = this.#watched.get(group.groupId) ?? nothingWatched();
    this.#watched.set(group.groupId, watched);
    const isNew = [...group.patterns.words()].some((pattern) => group.matchesOf(pattern) === null);
    if (isNew || watched.among !== this.#parts.topics.current.topics) this.#schedule(group.groupId, watched, now.monotonicMs);
  }

  forget(groupId: string): void {
    if (this.#watched.delete(groupId)) this.#parts.timers.cancel(timerKey(groupId));
  }

  #schedule(groupId: string, watched: Watched, nowMs: number): void {
    if (watched.isScheduled) return;
    watched.isScheduled = true;
    const atMs = Math.max(this.#parts.turns.reserve(nowMs), watched.notBeforeMs);
    this.#parts.timers.set(timerKey(groupId), atMs, (now) => this.#advance(groupId, now));
  }

  #again(groupId: string, watched: Watched, nowMs: number): Decision<null> {
    watched.isScheduled = false;
    this.#schedule(groupId, watched, nowMs);
    return answered(null);
  }

  /** When its records are refused, the timer fires again, and finds the pass done. */
  #advance(groupId: string, now: Now): Decision<null> {
    const group = this.#parts.find(groupId);
    const watched = this.#watched.get(groupId);
    if (group === undefined || watched === undefined) return answered(null);
    const { monotonicMs } = now;
    const view = this.#parts.topics.current;
    if (view.topics.size === 0) {
      // a broker that knows of no topic at all has not received the metadata yet; the next heartbeat tries again
      watched.isScheduled = false;
      return answered(null);
    }
    if (!this.#parts.turns.begin(monotonicMs)) return this.#again(groupId, watched, monotonicMs);
    watched.pass ??= this.#begin(group, watched, view);
    this.#parts.turns.took(watched.pass.advance(stepsPerSliceMax), monotonicMs);
    if (!watched.pass.isDone) return this.#again(groupId, watched, monotonicMs);
    const { matched, among } = watched.pass;
    if (watched.attempts >= attemptsMax || !this.#parts.memory.hasRoomFor(moreBytes(group, matched, view))) {
      // too large for a batch, no replica in sync, or no memory left: it may succeed later
      watched.attempts = 0;
      watched.pass = null;
      watched.notBeforeMs = monotonicMs + afterRefusalsMs;
      return this.#again(groupId, watched, monotonicMs);
    }
    watched.attempts++;
    return {
      records: matchedRecords(group, matched, view, now),
      answer: null,
      accepted: () => {
        watched.pass = null;
        watched.among = among;
        watched.attempts = 0;
        watched.isScheduled = false;
        watched.notBeforeMs = monotonicMs + betweenPassesMs;
        // expressions and topics added meanwhile
        this.look(group, now);
        return [];
      },
    };
  }

  #begin(group: ConsumerGroup, watched: Watched, { topics }: TopicsView): PatternPass {
    const sources = [...group.patterns.words()];
    const { expressions } = this.#parts.turns;
    const known = (source: string): KnownMatches | null => {
      const matched = group.matchesOf(source);
      return matched === null || watched.among === null ? null : { among: watched.among, matched };
    };
    return new PatternPass(
      topics,
      sources.map((source) => ({ source, compile: () => expressions.compiled(source), known: known(source) })),
    );
  }
}

/**
 * What the group is to store of a pass: the matches that changed, and if the topics changed, a new epoch. Expressions that no member
 * subscribes by any more are skipped.
 */
export function matchedRecords(
  group: ConsumerGroup,
  matched: ReadonlyMap<string, ReadonlySet<string>>,
  topics: TopicsView,
  { wallMs }: Now,
): GroupRecord[] {
  const { groupId } = group;
  const records: GroupRecord[] = [];
  let isOther = false;
  for (const [pattern, found] of matched) {
    if (group.patterns.count(pattern) === 0) continue;
    const before = group.matchesOf(pattern);
    if (before !== null && sameNames(before, found)) continue;
    records.push(patternRecord(groupId, pattern, found, wallMs));
    isOther ||= !sameNames(before ?? noNames, found);
  }
  if (!isOther) return records;
  const names = subscribedNames(group, null, null, (pattern) => matched.get(pattern) ?? group.matchesOf(pattern));
  const subscribed = existingTopics(names, topics);
  if (!sameSubscribedTopics(subscribed, group.subscribedTopics)) records.push(subscribedTopicsRecord(groupId, subscribed));
  records.push(groupEpochRecord(groupId, group.nextEpoch));
  return records;
}

/**
 * Includes what the members will be assigned of topics that are new to the group: whether there is room for it is checked here, not when a
 * member sends its next heartbeat.
 */
function moreBytes(group: ConsumerGroup, matched: ReadonlyMap<string, ReadonlySet<string>>, { topics }: TopicsView): number {
  let bytes = 0;
  const added = new Set<string>();
  for (const [pattern, found] of matched) {
    bytes += matchesBytes(pattern, found) - matchesBytes(pattern, group.matchesOf(pattern));
    for (const name of found) if (!group.subscribedTopics.has(name)) added.add(name);
  }
  for (const name of added) bytes += assignableBytes(topics.get(name)?.partitions.length ?? 0);
  return bytes;
}

const noNames: ReadonlySet<string> = new Set();

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

function hasPatterns(group: ConsumerGroup): boolean {
  for (const _ of group.patterns.words()) return true;
  return false;
}

function nothingWatched(): Watched {
  return { among: null, pass: null, isScheduled: false, attempts: 0, notBeforeMs: Number.NEGATIVE_INFINITY };
}

function timerKey(groupId: string): string {
  return `consumer-patterns:${groupId}`;
}
