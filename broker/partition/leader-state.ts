import type { BrokerId, IsrEpochs } from "../../protocol/base/ids.ts";
import { invariant, unreachable } from "../../protocol/base/invariant.ts";
import type { Reassigned } from "../runtime/reassignment-rules.ts";
import type { IsrWriteResult } from "./cluster-contract.ts";
import { isNeededNoMore, isReleasing, released } from "./released-members.ts";

/** The change of the in-sync set in progress. One change at a time: the next one is decided when the coordinator has answered. */
export type IsrChange =
  | { readonly kind: "settled" }
  | {
      readonly kind: "expanding";
      readonly joining: BrokerId;
      /** The registration under which it has shown what it has. */
      readonly joiningEpoch: number;
    }
  | { readonly kind: "shrinking"; readonly leaving: ReadonlySet<BrokerId> };

/** What a leader knows of one follower, all of it learned from fetches under its own epoch. */
export interface FollowerProgress {
  /** Registration under which it last fetched; -1: it has not. */
  readonly brokerEpoch: number;
  /** Its log end: it has everything below. -1: not known. */
  readonly fetchOffset: number;
  readonly fetchedAtMs: number;
  /** Our written end when it last fetched: reaching it later proves that it was caught up then. */
  readonly leaderEndWhenFetched: number;
  /** When it last had everything we had. */
  readonly caughtUpAtMs: number;
  /**
   * Outside the in-sync set but about to join: the high watermark waits for it, or it would run away from it under steady load and it could
   * never join.
   */
  readonly holdsBack: boolean;
}

/** A leader's knowledge under one leader epoch. */
export interface LeaderState extends Reassigned {
  readonly self: BrokerId;
  readonly epoch: number;
  /** As the coordinator has it, as far as is known. */
  readonly isr: ReadonlySet<BrokerId>;
  readonly isrEpochs: IsrEpochs;
  /** Version of the state znode that holds `isr`. */
  readonly stateVersion: number;
  readonly change: IsrChange;
  /** Our log end when the epoch began: a replica that has not reached it may still hold records that are not in our log. */
  readonly epochStartOffset: number;
  /** Exclusive; counts queued appends. */
  readonly logEndOffset: number;
  /** Exclusive; only this part of our log counts. */
  readonly writtenEndOffset: number;
  /** Exclusive: everything below is committed. */
  readonly highWatermark: number;
  readonly followers: ReadonlyMap<BrokerId, FollowerProgress>;
  /** `replica.lag.time.max.ms`. */
  readonly lagMaxMs: number;
  /** A suspected member that has not fetched for this long leaves. */
  readonly suspectLagMs: number;
}

export type LeaderEvent =
  | { readonly kind: "appended"; readonly logEndOffset: number }
  | { readonly kind: "written"; readonly writtenEndOffset: number }
  | {
      readonly kind: "follower-fetched";
      readonly from: BrokerId;
      readonly brokerEpoch: number;
      /** The registration that the metadata has for it; null: not alive, as far as is known. */
      readonly registeredEpoch: number | null;
      readonly fetchOffset: number;
      /** When the fetch arrived (monotonic). */
      readonly nowMs: number;
    }
  /** Its last fetch again, at a later time: it still had just that then. */
  | {
      readonly kind: "fetch-repeated";
      readonly from: BrokerId;
      readonly brokerEpoch: number;
      readonly fetchOffset: number;
      readonly nowMs: number;
    }
  | {
      readonly kind: "tick";
      readonly nowMs: number;
      readonly isAlive: (id: BrokerId) => boolean;
      /** It may be gone: it is waited for no longer than a follower that lives takes to fetch again. */
      readonly isSuspected: (id: BrokerId) => boolean;
      /** It does not answer this broker either. */
      readonly isSilent: (id: BrokerId) => boolean;
    }
  /** The coordinator has this set at this version: our write succeeded, or another writer's did. */
  | { readonly kind: "isr-in-force"; readonly isr: readonly BrokerId[]; readonly isrEpochs: IsrEpochs; readonly stateVersion: number }
  | ({ readonly kind: "replicas-changed"; readonly nowMs: number } & Reassigned);

/** An in-sync set to be written by compare-and-set. */
export interface IsrProposal {
  readonly isr: readonly BrokerId[];
  readonly isrEpochs: IsrEpochs;
  readonly expectedVersion: number;
}

export interface LeaderStart extends Reassigned {
  readonly self: BrokerId;
  readonly epoch: number;
  readonly isr: readonly BrokerId[];
  readonly isrEpochs: IsrEpochs;
  readonly stateVersion: number;
  readonly logEndOffset: number;
  readonly writtenEndOffset: number;
  /** What we know to be committed. It may lag behind what the last leader knew; it catches up as the followers fetch. */
  readonly highWatermark: number;
  readonly lagMaxMs: number;
  readonly suspectLagMs: number;
  readonly nowMs: number;
}

/**
 * A catching-up follower holds the high watermark back only while it keeps fetching: at most this long after its last fetch, or `lagMaxMs`
 * when that is less.
 */
export const holdBackMaxMs = 2000;

const settled: IsrChange = { kind: "settled" };

export function startLeading(start: LeaderStart): LeaderState {
  const { self, epoch, replicas, stateVersion, logEndOffset, writtenEndOffset, highWatermark, lagMaxMs, suspectLagMs, nowMs } = start;
  const isr = new Set(start.isr);
  const unknown = new Map<BrokerId, FollowerProgress>();
  const state: LeaderState = {
    self,
    epoch,
    replicas,
    reassignment: start.reassignment,
    isr,
    isrEpochs: start.isrEpochs,
    stateVersion,
    change: settled,
    epochStartOffset: logEndOffset,
    logEndOffset,
    writtenEndOffset,
    highWatermark,
    followers: followersOf(replicas, isr, self, unknown, nowMs),
    lagMaxMs,
    suspectLagMs,
  };
  return checked(state, { ...state, highWatermark: Math.max(highWatermark, lowestEnd(state)) });
}

/** State and event in, state out; what is to be proposed to the coordinator is `proposal` of the new state. */
export function advance(state: LeaderState, event: LeaderEvent): LeaderState {
  const moved = move(state, event);
  if (moved === state) return state;
  return checked(state, { ...moved, highWatermark: Math.max(state.highWatermark, lowestEnd(moved)) });
}

/**
 * Who must have a record before it is committed: the stricter of what the coordinator has and what we proposed. A replica that is proposed
 * to join counts at once, for the coordinator may already have it; one that is proposed to leave still counts, for the coordinator may
 * still elect it.
 */
export function mustHave(state: LeaderState): ReadonlySet<BrokerId> {
  switch (state.change.kind) {
    case "expanding":
      return new Set([...state.isr, state.change.joining]);
    case "shrinking":
    case "settled":
      return state.isr;
    default:
      return unreachable(state.change);
  }
}

/** The change in progress, as it is to be written; null when there is none. */
export function proposal(state: LeaderState): IsrProposal | null {
  const { isr, isrEpochs, change, replicas, stateVersion } = state;
  if (change.kind === "settled") return null;
  const wanted = change.kind === "expanding" ? new Set([...isr, change.joining]) : isr.difference(change.leaving);
  const ordered = [...replicas.filter((id) => wanted.has(id)), ...[...wanted].filter((id) => !replicas.includes(id))];
  const epochs = change.kind === "expanding" ? { ...isrEpochs, [change.joining]: change.joiningEpoch } : isrEpochs;
  const known = ordered.flatMap((id) => (epochs[id] === undefined ? [] : [[id, epochs[id]] as const]));
  return { isr: ordered, isrEpochs: Object.fromEntries(known), expectedVersion: stateVersion };
}

/** What the answer to an ISR write means. */
export type IsrVerdict =
  | { readonly kind: "in-force"; readonly event: LeaderEvent }
  /** The outcome is not known yet: the stricter set stays, the same proposal is sent again. */
  | { readonly kind: "ask-again" }
  | { readonly kind: "step-down"; readonly reason: string };

export function judgeIsrWrite(state: LeaderState, proposed: IsrProposal, result: IsrWriteResult): IsrVerdict {
  switch (result.kind) {
    case "written": {
      const { isr, isrEpochs } = proposed;
      return { kind: "in-force", event: { kind: "isr-in-force", isr, isrEpochs, stateVersion: result.stateVersion } };
    }
    case "conflict":
      if (!result.isr.includes(state.self)) return { kind: "step-down", reason: "the coordinator has an in-sync set without this leader" };
      // a read from a coordinator server that lags shows nothing newer than we have: no reason to undo anything
      if (result.stateVersion <= state.stateVersion) return { kind: "ask-again" };
      return {
        kind: "in-force",
        event: { kind: "isr-in-force", isr: result.isr, isrEpochs: result.isrEpochs, stateVersion: result.stateVersion },
      };
    case "unknown":
      return { kind: "ask-again" };
    case "fenced":
      return { kind: "step-down", reason: "the coordinator names a newer leader epoch or another leader" };
    default:
      return unreachable(result);
  }
}

function move(state: LeaderState, event: LeaderEvent): LeaderState {
  switch (event.kind) {
    case "appended":
      return { ...state, logEndOffset: event.logEndOffset };
    case "written":
      return { ...state, writtenEndOffset: event.writtenEndOffset };
    case "follower-fetched":
      return fetched(state, event);
    case "fetch-repeated":
      return repeated(state, event);
    case "tick":
      return ticked(state, event);
    case "isr-in-force":
      return inForce(state, event);
    case "replicas-changed":
      return {
        ...state,
        replicas: event.replicas,
        reassignment: event.reassignment,
        // Also who may be in the set by now, though the new assignment lacks it: its write is under way.
        followers: followersOf(event.replicas, mustHave(state), state.self, state.followers, event.nowMs),
      };
    default:
      return unreachable(event);
  }
}

function fetched(state: LeaderState, event: LeaderEvent & { kind: "follower-fetched" }): LeaderState {
  const { from, brokerEpoch, registeredEpoch, fetchOffset, nowMs } = event;
  const known = state.followers.get(from);
  // A fetch from an earlier life of that broker says nothing about what it has now: its log may have been lost in between.
  if (known === undefined || brokerEpoch < known.brokerEpoch || (registeredEpoch !== null && brokerEpoch < registeredEpoch)) return state;
  const caughtUpAtMs =
    fetchOffset >= state.writtenEndOffset
      ? Math.max(known.caughtUpAtMs, nowMs)
      : known.leaderEndWhenFetched >= 0 && fetchOffset >= known.leaderEndWhenFetched
        ? Math.max(known.caughtUpAtMs, known.fetchedAtMs)
        : known.caughtUpAtMs;
  const outside = !state.isr.has(from);
  const isWanted = state.replicas.includes(from) && !isNeededNoMore(state, from);
  const eligible = registeredEpoch === brokerEpoch && isWanted && fetchOffset >= state.epochStartOffset;
  const progress: FollowerProgress = {
    brokerEpoch,
    fetchOffset,
    fetchedAtMs: Math.max(known.fetchedAtMs, nowMs),
    leaderEndWhenFetched: state.writtenEndOffset,
    caughtUpAtMs,
    holdsBack: outside && eligible && nowMs - caughtUpAtMs <= state.lagMaxMs,
  };
  const next = { ...state, followers: new Map(state.followers).set(from, progress) };
  if (state.change.kind !== "settled") return next;
  if (outside && eligible && fetchOffset >= state.highWatermark)
    return { ...next, change: { kind: "expanding", joining: from, joiningEpoch: brokerEpoch } };
  // In sync, and yet without records that are committed: it lost them (its disk did). It must not be elected on the strength of them.
  if (!outside && fetchOffset < state.highWatermark) return { ...next, change: { kind: "shrinking", leaving: new Set([from]) } };
  return next;
}

/**
 * A fetch that is repeated is noted when it begins to matter: before our log grows, at a tick, and when it ends. In between, each
 * repetition would change nothing but the times, and the last one would be what remains. One of a follower that lacks something, is out of
 * sync, or is known otherwise by now, is none: it has to fetch in its own name.
 */
function repeated(state: LeaderState, event: LeaderEvent & { kind: "fetch-repeated" }): LeaderState {
  const { from, nowMs } = event;
  const known = state.followers.get(from);
  if (known === undefined || nowMs <= known.fetchedAtMs || !isSteady(state, event)) return state;
  const progress = { ...known, fetchedAtMs: nowMs, caughtUpAtMs: Math.max(known.caughtUpAtMs, nowMs) };
  return { ...state, followers: new Map(state.followers).set(from, progress) };
}

/** A follower that is in sync, and has everything we have: fetching from there again tells us only that it was so then. */
export function isSteady(
  { followers, isr, writtenEndOffset }: LeaderState,
  { from, brokerEpoch, fetchOffset }: { readonly from: BrokerId; readonly brokerEpoch: number; readonly fetchOffset: number },
): boolean {
  const known = followers.get(from);
  return isr.has(from) && known?.brokerEpoch === brokerEpoch && known.fetchOffset === fetchOffset && fetchOffset >= writtenEndOffset;
}

/** Nothing is due, whatever time passes, until something is appended, fetched, decided elsewhere, or a broker is gone. */
export function isAtRest(state: LeaderState): boolean {
  const { change, followers, isr, writtenEndOffset } = state;
  if (change.kind !== "settled" || isReleasing(state)) return false;
  for (const [id, { fetchOffset, holdsBack }] of followers) if (holdsBack || (isr.has(id) && fetchOffset < writtenEndOffset)) return false;
  return true;
}

function ticked(state: LeaderState, { nowMs, isAlive, isSuspected, isSilent }: LeaderEvent & { kind: "tick" }): LeaderState {
  const holdMs = Math.min(state.lagMaxMs, holdBackMaxMs);
  const followers = new Map(state.followers);
  for (const [id, progress] of followers) {
    if (progress.holdsBack && (!isAlive(id) || nowMs - progress.fetchedAtMs > holdMs)) followers.set(id, { ...progress, holdsBack: false });
  }
  const next = { ...state, followers };
  if (state.change.kind !== "settled") return next;
  const leaving = new Set<BrokerId>();
  for (const id of state.isr) {
    const progress = state.followers.get(id);
    if (progress === undefined) continue;
    // one that has not fetched in this epoch yet, and may be well, is given time to find out whom to fetch from
    const lastMs = progress.brokerEpoch < 0 && !isSilent(id) ? progress.caughtUpAtMs : progress.fetchedAtMs;
    const isUnheard = isSuspected(id) && nowMs - lastMs > state.suspectLagMs;
    if (!isAlive(id) || isUnheard || isLagging(state, progress, nowMs)) leaving.add(id);
  }
  const all = leaving.size === 0 ? released(state, { isAlive, isSuspected }) : leaving;
  return all.size === 0 ? next : { ...next, change: { kind: "shrinking", leaving: all } };
}

function isLagging({ writtenEndOffset, lagMaxMs }: LeaderState, { fetchOffset, caughtUpAtMs }: FollowerProgress, nowMs: number): boolean {
  return fetchOffset < writtenEndOffset && nowMs - caughtUpAtMs > lagMaxMs;
}

function inForce(state: LeaderState, { isr, isrEpochs, stateVersion }: LeaderEvent & { kind: "isr-in-force" }): LeaderState {
  // Race: (1) our write is carried out, its answer is lost; (2) the metadata brings the new version; (3) the retried write's answer says
  // the same again. Versions only rise, so what is not newer than what we have is old news.
  if (stateVersion <= state.stateVersion) return state;
  const members = new Set(isr);
  const followers = new Map<BrokerId, FollowerProgress>();
  // a member that is not among the followers yet counts as caught up at the last known time: the next tick decides
  const latestMs = Math.max(0, ...[...state.followers.values()].map((progress) => progress.fetchedAtMs));
  for (const [id, progress] of followersOf(state.replicas, members, state.self, state.followers, latestMs)) {
    followers.set(id, members.has(id) ? { ...progress, holdsBack: false } : progress);
  }
  return { ...state, isr: members, isrEpochs, stateVersion, change: settled, followers };
}

/** The smallest log end among those that must have the record; our own counts as far as it is written. */
function lowestEnd(state: LeaderState): number {
  let lowest = state.writtenEndOffset;
  for (const [id, { fetchOffset }] of state.followers) if (fetchOffset < lowest && isWaitedFor(state, id)) lowest = fetchOffset;
  return lowest;
}

/** Without it nothing is committed. */
export function isWaitedFor(state: LeaderState, id: BrokerId): boolean {
  return state.followers.get(id)?.holdsBack === true || mustHave(state).has(id);
}

function followersOf(
  replicas: readonly BrokerId[],
  isr: ReadonlySet<BrokerId>,
  self: BrokerId,
  known: ReadonlyMap<BrokerId, FollowerProgress>,
  nowMs: number,
): ReadonlyMap<BrokerId, FollowerProgress> {
  const followers = new Map<BrokerId, FollowerProgress>();
  for (const id of new Set([...replicas, ...isr])) {
    if (id !== self) followers.set(id, known.get(id) ?? newcomer(isr.has(id) ? nowMs : Number.NEGATIVE_INFINITY));
  }
  return followers;
}

function newcomer(caughtUpAtMs: number): FollowerProgress {
  return {
    brokerEpoch: -1,
    fetchOffset: -1,
    fetchedAtMs: Number.NEGATIVE_INFINITY,
    leaderEndWhenFetched: -1,
    caughtUpAtMs,
    holdsBack: false,
  };
}

function checked(before: LeaderState, after: LeaderState): LeaderState {
  const values = () => ({ before, after });
  invariant(after.isr.has(after.self), "a leader is in its own in-sync set", values);
  invariant(after.highWatermark <= after.writtenEndOffset, "the high watermark is within the written log", values);
  invariant(after.writtenEndOffset <= after.logEndOffset, "what is written was appended", values);
  invariant(after.highWatermark >= before.highWatermark, "the high watermark never retreats under one leader", values);
  invariant(after.epoch === before.epoch && after.stateVersion >= before.stateVersion, "a state version only rises in its epoch", values);
  const required = mustHave(after);
  invariant(required.isSupersetOf(after.isr), "a change under way never loosens what the coordinator has", values);
  invariant(after.change.kind !== "shrinking" || !after.change.leaving.has(after.self), "a leader does not put itself out", values);
  invariant(after.change.kind !== "expanding" || !after.isr.has(after.change.joining), "who joins the in-sync set is not in it", values);
  if (after.highWatermark > before.highWatermark) {
    for (const id of required) {
      if (id === after.self) continue;
      const end = after.followers.get(id)?.fetchOffset ?? -1;
      invariant(after.highWatermark <= end, "the high watermark moves only to what everyone who must have it has (I3)", values);
    }
  }
  return after;
}
