import type { TopicPartition } from "../../protocol/base/ids.ts";
import { unreachable } from "../../protocol/base/invariant.ts";
import type { JoinGroupResponse } from "../../protocol/messages/join-group.ts";
import type { GivenUpAs, GroupFailure, MemberAction, MemberEvent, Step } from "./member-step.ts";
import { type RebalanceProtocol, without } from "./partition-assignor.ts";

export interface ClassicSettings {
  readonly rebalanceProtocol: RebalanceProtocol;
  /** With a `group.instance.id` (KIP-345): it does not leave, but rejoins later. */
  readonly isStatic: boolean;
  readonly heartbeatIntervalMs: number;
  readonly maxPollIntervalMs: number;
  /** The pause before a request with a temporary failure is retried; doubles with each failure in a row up to the second. */
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

export type MemberPhase =
  /** Not in the group and not joining: not subscribed yet, closed, or failed for good. */
  | { readonly kind: "outside" }
  /** Left because the application took too long; rejoins when it asks for a record. */
  | { readonly kind: "left" }
  /** Waits until the application has released these, then joins. */
  | { readonly kind: "giving-up"; readonly partitions: readonly TopicPartition[] }
  /** Joins at `atMs`. */
  | { readonly kind: "pausing"; readonly atMs: number }
  | { readonly kind: "joining" }
  | { readonly kind: "syncing" }
  | { readonly kind: "stable" };

export interface ClassicState {
  readonly phase: MemberPhase;
  /** Empty: none yet. */
  readonly memberId: string;
  /** -1: none. */
  readonly generation: number;
  /** Until the application has released them. */
  readonly owned: readonly TopicPartition[];
  /** Answers and reports that belong to an earlier attempt are void. */
  readonly attempt: number;
  /** Infinity: none is due, or one is in flight. */
  readonly heartbeatAtMs: number;
  /** What we joined with is out of date. */
  readonly mustRejoin: boolean;
  /** In a row. */
  readonly failures: number;
}

export const outsideGroup: ClassicState = {
  phase: { kind: "outside" },
  memberId: "",
  generation: -1,
  owned: [],
  attempt: 0,
  heartbeatAtMs: Number.POSITIVE_INFINITY,
  mustRejoin: false,
  failures: 0,
};

type Joined = Pick<JoinGroupResponse, "memberId" | "generationId" | "protocolName" | "leader" | "members" | "skipAssignment">;

export type ClassicEvent =
  | MemberEvent
  | { readonly kind: "joined"; readonly attempt: number; readonly answer: Joined }
  | { readonly kind: "join-failed"; readonly attempt: number; readonly failure: GroupFailure; readonly memberId: string }
  | { readonly kind: "synced"; readonly attempt: number; readonly assigned: readonly TopicPartition[] }
  | { readonly kind: "sync-failed"; readonly attempt: number; readonly failure: GroupFailure }
  | { readonly kind: "heartbeat-answered"; readonly attempt: number; readonly failure: GroupFailure | null };

export type ClassicAction =
  | MemberAction
  | { readonly kind: "join"; readonly attempt: number }
  /** We are the leader and compute the assignment. */
  | { readonly kind: "assign-and-sync"; readonly attempt: number; readonly protocolName: string; readonly members: Joined["members"] }
  | { readonly kind: "sync"; readonly attempt: number; readonly protocolName: string | null }
  | { readonly kind: "heartbeat"; readonly attempt: number }
  /** Send LeaveGroup as this member. */
  | { readonly kind: "leave"; readonly memberId: string; readonly reason: string };

type ClassicStep = Step<ClassicState, ClassicAction>;

const never = Number.POSITIVE_INFINITY;

/** A member of a classic group, by its protocol (KIP-62, 345, 394, 429): its state after an event, and the resulting actions. */
export function stepClassic(state: ClassicState, event: ClassicEvent, nowMs: number, settings: ClassicSettings): ClassicStep {
  if ("attempt" in event && event.attempt !== state.attempt) return stay(state);
  switch (event.kind) {
    case "join-wanted":
      if (state.phase.kind === "outside" || state.phase.kind === "stable") return beginRejoin(state, settings);
      return stay({ ...state, mustRejoin: true });
    case "polled":
      return state.phase.kind === "left" ? giveUpAndJoin(state, state.owned, "lost") : stay(state);
    case "ticked":
      return onTick(state, event.busySinceMs, nowMs, settings);
    case "joined":
      return onJoined(state, event.answer);
    case "join-failed":
      if (event.failure === "MEMBER_ID_REQUIRED") return joinNow({ ...state, memberId: event.memberId });
      if (event.failure === "REBALANCE_IN_PROGRESS") return pause(state, nowMs, settings);
      return onRefused(state, event.failure, nowMs, settings);
    case "synced":
      return onSynced(state, event.assigned, nowMs, settings);
    case "sync-failed":
      // a coordinator that is loading or has moved may not know of this rebalance: join again
      return onRefused(state, event.failure, nowMs, settings);
    case "heartbeat-answered":
      return onHeartbeat(state, event.failure, nowMs, settings);
    case "commit-refused":
      if (event.generation !== state.generation || !isSettled(state)) return stay(state);
      return event.failure === "REBALANCE_IN_PROGRESS" ? onRebalance(state, settings) : onRefused(state, event.failure, nowMs, settings);
    case "gave-up": {
      const owned = without(state.owned, event.partitions);
      return state.phase.kind === "giving-up" ? joinNow({ ...state, owned }) : stay({ ...state, owned });
    }
    case "closed":
      return onClosed(state, settings);
    default:
      return unreachable(event);
  }
}

/** When `ticked` is due next. */
export function nextTickMs({ phase, heartbeatAtMs }: ClassicState): number {
  if (phase.kind === "pausing") return phase.atMs;
  return phase.kind === "outside" || phase.kind === "left" ? never : heartbeatAtMs;
}

function stay(state: ClassicState): ClassicStep {
  return { state, actions: [] };
}

/** In a generation, with the assignment of it. */
function isSettled({ phase }: ClassicState): boolean {
  return phase.kind === "stable" || phase.kind === "giving-up";
}

function beginRejoin(state: ClassicState, { rebalanceProtocol }: ClassicSettings): ClassicStep {
  return giveUpAndJoin(state, rebalanceProtocol === "eager" ? state.owned : [], "revoked");
}

function giveUpAndJoin(state: ClassicState, partitions: readonly TopicPartition[], as: GivenUpAs): ClassicStep {
  if (partitions.length === 0) return joinNow(state);
  const attempt = state.attempt + 1;
  // the application may take its time, and until it is done we are a member: the answer to a heartbeat in flight is void now, so the next
  // one is due
  const heartbeatAtMs = state.generation < 0 ? never : state.heartbeatAtMs === never ? 0 : state.heartbeatAtMs;
  return {
    state: { ...state, attempt, heartbeatAtMs, phase: { kind: "giving-up", partitions } },
    actions: [{ kind: "give-up", attempt, partitions, as }],
  };
}

function joinNow(state: ClassicState): ClassicStep {
  const attempt = state.attempt + 1;
  return {
    state: { ...state, attempt, phase: { kind: "joining" }, heartbeatAtMs: never, mustRejoin: false },
    actions: [{ kind: "join", attempt }],
  };
}

function onTick(state: ClassicState, busySinceMs: number | null, nowMs: number, settings: ClassicSettings): ClassicStep {
  const { phase, memberId, attempt } = state;
  if (phase.kind === "outside" || phase.kind === "left") return stay(state);
  if (busySinceMs !== null && nowMs >= busySinceMs + settings.maxPollIntervalMs) {
    const left: ClassicState = { ...withoutGeneration(state), attempt: attempt + 1, phase: { kind: "left" } };
    if (settings.isStatic || memberId === "") return { state: left, actions: [] };
    const reason = "the application has not asked for records within maxPollIntervalMs";
    return { state: { ...left, memberId: "" }, actions: [{ kind: "leave", memberId, reason }] };
  }
  if (phase.kind === "pausing") return nowMs >= phase.atMs ? joinNow(state) : stay(state);
  if (nowMs < state.heartbeatAtMs || !isSettled(state)) return stay(state);
  return { state: { ...state, heartbeatAtMs: never }, actions: [{ kind: "heartbeat", attempt }] };
}

function onJoined(state: ClassicState, { memberId, generationId, leader, protocolName, members, skipAssignment }: Joined): ClassicStep {
  if (state.phase.kind !== "joining") return stay(state);
  const { attempt } = state;
  const next: ClassicState = { ...state, memberId, generation: generationId, phase: { kind: "syncing" } };
  if (leader !== memberId || skipAssignment) return { state: next, actions: [{ kind: "sync", attempt, protocolName }] };
  return { state: next, actions: [{ kind: "assign-and-sync", attempt, protocolName: protocolName ?? "", members }] };
}

function onSynced(state: ClassicState, assigned: readonly TopicPartition[], nowMs: number, settings: ClassicSettings): ClassicStep {
  if (state.phase.kind !== "syncing") return stay(state);
  const revoked = without(state.owned, assigned);
  const added = without(assigned, state.owned);
  const heartbeatAtMs = nowMs + settings.heartbeatIntervalMs;
  const settled: ClassicState = { ...state, phase: { kind: "stable" }, owned: [...state.owned, ...added], heartbeatAtMs, failures: 0 };
  const take: ClassicAction = { kind: "take", partitions: added };
  // what others are waiting for; they get it once we have rejoined without it (KIP-429)
  const next =
    revoked.length > 0 ? giveUpAndJoin(settled, revoked, "revoked") : state.mustRejoin ? beginRejoin(settled, settings) : stay(settled);
  return { state: next.state, actions: [take, ...next.actions] };
}

function onHeartbeat(state: ClassicState, failure: GroupFailure | null, nowMs: number, settings: ClassicSettings): ClassicStep {
  if (!isSettled(state)) return stay(state);
  const beating = { ...state, heartbeatAtMs: nowMs + settings.heartbeatIntervalMs };
  if (failure === null) return stay({ ...beating, failures: 0 });
  if (failure === "REBALANCE_IN_PROGRESS") return onRebalance(beating, settings);
  if (isMomentary(failure)) return stay({ ...state, failures: state.failures + 1, heartbeatAtMs: nowMs + pauseMs(state, settings) });
  return onRefused(beating, failure, nowMs, settings);
}

function onRebalance(state: ClassicState, settings: ClassicSettings): ClassicStep {
  return state.phase.kind === "stable" ? beginRejoin(state, settings) : stay(state);
}

/** A failure of the coordinator, not our own; the state is as before once a coordinator answers. */
function isMomentary(failure: GroupFailure): boolean {
  return (
    failure === "lost" ||
    failure === "NOT_COORDINATOR" ||
    failure === "COORDINATOR_NOT_AVAILABLE" ||
    failure === "COORDINATOR_LOAD_IN_PROGRESS" ||
    failure === "REQUEST_TIMED_OUT"
  );
}

function pause(state: ClassicState, nowMs: number, settings: ClassicSettings): ClassicStep {
  return stay({ ...state, failures: state.failures + 1, phase: { kind: "pausing", atMs: nowMs + pauseMs(state, settings) } });
}

function pauseMs({ failures }: ClassicState, { retryBackoffMs, retryBackoffMaxMs }: ClassicSettings): number {
  return Math.min(retryBackoffMs * 2 ** Math.min(failures, 30), retryBackoffMaxMs);
}

function onRefused(state: ClassicState, failure: GroupFailure, nowMs: number, settings: ClassicSettings): ClassicStep {
  if (isMomentary(failure)) return pause(state, nowMs, settings);
  switch (failure) {
    case "REBALANCE_IN_PROGRESS":
      return joinNow(state);
    case "UNKNOWN_MEMBER_ID":
      return giveUpAndJoin({ ...withoutGeneration(state), memberId: "" }, state.owned, "lost");
    case "ILLEGAL_GENERATION":
      return giveUpAndJoin(withoutGeneration(state), state.owned, "lost");
    default: {
      const attempt = state.attempt + 1;
      const out: ClassicState = { ...withoutGeneration(state), attempt, phase: { kind: "outside" } };
      const lost: ClassicAction[] = state.owned.length === 0 ? [] : [{ kind: "give-up", attempt, partitions: state.owned, as: "lost" }];
      return { state: out, actions: [...lost, { kind: "fail", code: failure === "lost" ? "COORDINATOR_NOT_AVAILABLE" : failure }] };
    }
  }
}

function withoutGeneration(state: ClassicState): ClassicState {
  return { ...state, generation: -1, heartbeatAtMs: never };
}

function onClosed(state: ClassicState, { isStatic }: ClassicSettings): ClassicStep {
  const { memberId, attempt } = state;
  const closed: ClassicState = { ...outsideGroup, attempt: attempt + 1 };
  if (isStatic || memberId === "" || state.phase.kind === "outside") return { state: closed, actions: [] };
  return { state: closed, actions: [{ kind: "leave", memberId, reason: "the consumer is being closed" }] };
}
