import { answered, type Decision, type GroupRecord, type GroupTimers, type Now, type TopicSource, type TopicsView } from "../contract.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { groupEpochRecord, patternRecord, subscribedTopicsRecord } from "./consumer-group-records.ts";
import { type KnownMatches, PatternPass } from "./pattern-pass.ts";
import { existingTopics, sameSubscribedTopics, subscribedNames } from "./subscribed-topics.ts";
import { compileTopicPattern, type TopicPattern } from "./topic-pattern.ts";

/** Steps of matching in one turn of the loop: about 3 ms of the dearest kind. */
const stepsPerTurnMax = 50_000;
/** After each turn at least as long for everyone else. */
const pausePerTurnMs = 3;
/** Between two looks of a group, however often topics change. Kafka's groups wait ten times as long. */
const betweenPassesMs = 1_000;

interface Watched {
  /** Of the expressions in use; one that came from the log and cannot be compiled matches nothing. */
  patterns: ReadonlyMap<string, TopicPattern | null>;
  /** Of the last pass that was taken over; null: none was. */
  among: ReadonlyMap<string, unknown> | null;
  /** Under way; null: none is. */
  pass: PatternPass | null;
  isScheduled: boolean;
  notBeforeMs: number;
}

/** Finds which topics the groups' expressions match: for a member's new expression, and again when there are other topics. Runs on the shard's timers, a slice per turn. */
export class PatternWatch {
  readonly #timers: GroupTimers;
  readonly #topics: TopicSource;
  readonly #find: (groupId: string) => ConsumerGroup | undefined;
  readonly #watched = new Map<string, Watched>();

  constructor(timers: GroupTimers, topics: TopicSource, find: (groupId: string) => ConsumerGroup | undefined) {
    this.#timers = timers;
    this.#topics = topics;
    this.#find = find;
  }

  /** Called with a heartbeat, as everything that groups learn of topics. */
  look(group: ConsumerGroup, now: Now): void {
    if (!hasPatterns(group)) return this.forget(group.groupId);
    const watched = this.#watched.get(group.groupId) ?? nothingWatched();
    this.#watched.set(group.groupId, watched);
    const isNew = [...group.patterns.words()].some((pattern) => group.matchesOf(pattern) === null);
    if (isNew || watched.among !== this.#topics.current.topics) this.#schedule(group.groupId, watched, now.monotonicMs);
  }

  forget(groupId: string): void {
    if (this.#watched.delete(groupId)) this.#timers.cancel(timerKey(groupId));
  }

  #schedule(groupId: string, watched: Watched, atMs: number): void {
    if (watched.isScheduled) return;
    watched.isScheduled = true;
    this.#timers.set(timerKey(groupId), Math.max(atMs, watched.notBeforeMs), (now) => this.#advance(groupId, now));
  }

  /** When its records are refused, the timer calls again, and finds the pass done. */
  #advance(groupId: string, now: Now): Decision<null> {
    const group = this.#find(groupId);
    const watched = this.#watched.get(groupId);
    if (group === undefined || watched === undefined) return answered(null);
    watched.isScheduled = false;
    const view = this.#topics.current;
    // a broker that knows of no topic at all has not been told of them yet; the next heartbeat asks again
    if (view.topics.size === 0) return answered(null);
    watched.pass ??= this.#begin(group, watched, view);
    const steps = watched.pass.advance(stepsPerTurnMax);
    if (!watched.pass.isDone) {
      const pauseMs = Math.max(1, Math.ceil((steps / stepsPerTurnMax) * pausePerTurnMs));
      this.#schedule(groupId, watched, now.monotonicMs + pauseMs);
      return answered(null);
    }
    const { matched, among } = watched.pass;
    return {
      records: matchedRecords(group, matched, view, now),
      answer: null,
      accepted: () => {
        watched.pass = null;
        watched.among = among;
        watched.notBeforeMs = now.monotonicMs + betweenPassesMs;
        // expressions and topics that came meanwhile
        this.look(group, now);
        return [];
      },
    };
  }

  #begin(group: ConsumerGroup, watched: Watched, { topics }: TopicsView): PatternPass {
    const sources = [...group.patterns.words()];
    watched.patterns = new Map(sources.map((source) => [source, watched.patterns.get(source) ?? compiled(source)]));
    const known = (source: string): KnownMatches | null => {
      const matched = group.matchesOf(source);
      return matched === null || watched.among === null ? null : { among: watched.among, matched };
    };
    return new PatternPass(
      topics,
      [...watched.patterns].flatMap(([source, pattern]) => [{ source, pattern, known: known(source) }]),
    );
  }
}

/**
 * What the group is to remember of a pass: the matches that are others than before, and with other topics another epoch. Expressions that nobody subscribes by any more are passed over.
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

const noNames: ReadonlySet<string> = new Set();

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

function hasPatterns(group: ConsumerGroup): boolean {
  for (const _ of group.patterns.words()) return true;
  return false;
}

function nothingWatched(): Watched {
  return { patterns: new Map(), among: null, pass: null, isScheduled: false, notBeforeMs: Number.NEGATIVE_INFINITY };
}

function compiled(source: string): TopicPattern | null {
  const pattern = compileTopicPattern(source);
  return "fault" in pattern ? null : pattern;
}

function timerKey(groupId: string): string {
  return `consumer-patterns:${groupId}`;
}
