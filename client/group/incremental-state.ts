import type { TopicPartition } from "../../protocol/base/ids.ts";
import { unreachable } from "../../protocol/base/invariant.ts";
import type { GivenUpAs, GroupFailure, MemberAction, MemberEvent, Step } from "./member-step.ts";
import { without } from "./partition-assignor.ts";

export interface IncrementalSettings {
  readonly maxPollIntervalMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
}

/** What a heartbeat contains besides being a sign of life. */
export interface HeartbeatContent {
  /** Everything: when joining, and after a heartbeat that may not have arrived. */
  readonly all: boolean;
  readonly topics: boolean;
  readonly owned: boolean;
}

export interface IncrementalState {
  readonly phase: "outside" | "left" | "in-group";
  /** Empty: none yet. */
  readonly memberId: string;
  /** 0: joining. */
  readonly epoch: number;
  /** Until the application has let go of them. */
  readonly owned: readonly TopicPartition[];
  /** Our target assignment from the coordinator; null: not received yet. */
  readonly target: readonly TopicPartition[] | null;
  /** Being revoked. */
  readonly giving: { readonly as: GivenUpAs; readonly partitions: readonly TopicPartition[] } | null;
  readonly toSay: HeartbeatContent;
  /** The contents of the heartbeat in flight; null: none is. */
  readonly saying: HeartbeatContent | null;
  readonly attempt: number;
  readonly heartbeatAtMs: number;
  readonly failures: number;
}

const never = Number.POSITIVE_INFINITY;
const nothing: HeartbeatContent = { all: false, topics: false, owned: false };
const everything: HeartbeatContent = { all: true, topics: true, owned: true };

export const outsideIncremental: IncrementalState = {
  phase: "outside",
  memberId: "",
  epoch: 0,
  owned: [],
  target: null,
  giving: null,
  toSay: nothing,
  saying: null,
  attempt: 0,
  heartbeatAtMs: never,
  failures: 0,
};

export interface HeartbeatAnswer {
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** Null: as before. */
  readonly assigned: readonly TopicPartition[] | null;
}

export type IncrementalEvent =
  | MemberEvent
  | { readonly kind: "answered"; readonly attempt: number; readonly answer: HeartbeatAnswer }
  | { readonly kind: "refused"; readonly attempt: number; readonly failure: GroupFailure }
  /** Topics that the coordinator named by their id have become known. */
  | { readonly kind: "retargeted"; readonly attempt: number; readonly assigned: readonly TopicPartition[] };

export type IncrementalAction =
  | MemberAction
  | { readonly kind: "heartbeat"; readonly attempt: number; readonly content: HeartbeatContent }
  | { readonly kind: "leave"; readonly memberId: string };

type IncrementalStep = Step<IncrementalState, IncrementalAction>;

/**
 * A member of a group of the new protocol (KIP-848): the coordinator sends the target assignment in heartbeats. We revoke what is no longer
 * ours, confirm, add what is new, confirm. Nothing else stops meanwhile.
 */
export function stepIncremental(
  state: IncrementalState,
  event: IncrementalEvent,
  nowMs: number,
  settings: IncrementalSettings,
): IncrementalStep {
  if ("attempt" in event && event.attempt !== state.attempt) return stay(state);
  switch (event.kind) {
    case "join-wanted":
      if (state.phase === "outside") return join(state);
      return beatIfNeeded({ ...state, toSay: { ...state.toSay, topics: true } });
    case "polled":
      return state.phase === "left" ? loseAllAndJoin(state) : stay(state);
    case "ticked":
      return onTick(state, event.busySinceMs, nowMs, settings);
    case "answered":
      return onAnswer(state, event.answer, nowMs);
    case "retargeted":
      return reconcile({ ...state, target: event.assigned });
    case "refused":
      return onRefused({ ...state, saying: null, toSay: everything }, event.failure, nowMs, settings);
    case "commit-refused":
      if (event.generation !== state.epoch || state.phase !== "in-group" || state.giving?.as === "lost") return stay(state);
      if (event.failure === "STALE_MEMBER_EPOCH") return stay({ ...state, heartbeatAtMs: Math.min(state.heartbeatAtMs, nowMs) });
      return onRefused(state, event.failure, nowMs, settings);
    case "gave-up":
      return onGaveUp(state, event.partitions);
    case "closed": {
      const leave: IncrementalAction[] =
        state.phase === "in-group" && state.memberId !== "" ? [{ kind: "leave", memberId: state.memberId }] : [];
      return { state: { ...outsideIncremental, attempt: state.attempt + 1 }, actions: leave };
    }
    default:
      return unreachable(event);
  }
}

/** When `ticked` is due next. */
export function nextIncrementalTickMs({ phase, heartbeatAtMs }: IncrementalState): number {
  return phase === "in-group" ? heartbeatAtMs : never;
}

/** A member with its whole target assignment. */
export function isReconciled({ phase, epoch, target, giving, owned }: IncrementalState): boolean {
  return phase === "in-group" && epoch > 0 && target !== null && giving === null && without(target, owned).length === 0;
}

function stay(state: IncrementalState): IncrementalStep {
  return { state, actions: [] };
}

function join(state: IncrementalState): IncrementalStep {
  return beat({
    ...state,
    phase: "in-group",
    epoch: 0,
    target: null,
    giving: null,
    saying: null,
    toSay: everything,
    attempt: state.attempt + 1,
  });
}

function beat(state: IncrementalState): IncrementalStep {
  const { attempt, toSay } = state;
  return {
    state: { ...state, saying: toSay, toSay: nothing, heartbeatAtMs: never },
    actions: [{ kind: "heartbeat", attempt, content: toSay }],
  };
}

function beatIfNeeded(state: IncrementalState): IncrementalStep {
  const { all, topics, owned } = state.toSay;
  const isSilent = state.phase !== "in-group" || state.giving?.as === "lost" || state.saying !== null || state.failures > 0;
  return isSilent || !(all || topics || owned) ? stay(state) : beat(state);
}

function onTick(
  state: IncrementalState,
  busySinceMs: number | null,
  nowMs: number,
  { maxPollIntervalMs }: IncrementalSettings,
): IncrementalStep {
  if (state.phase !== "in-group") return stay(state);
  if (busySinceMs !== null && nowMs >= busySinceMs + maxPollIntervalMs) {
    const left: IncrementalState = { ...state, phase: "left", attempt: state.attempt + 1, heartbeatAtMs: never };
    return { state: left, actions: state.memberId === "" ? [] : [{ kind: "leave", memberId: state.memberId }] };
  }
  return nowMs >= state.heartbeatAtMs && state.saying === null ? beat(state) : stay(state);
}

function onAnswer(state: IncrementalState, answer: HeartbeatAnswer, nowMs: number): IncrementalStep {
  return reconcile({
    ...state,
    memberId: answer.memberId ?? state.memberId,
    epoch: answer.memberEpoch,
    saying: null,
    failures: 0,
    heartbeatAtMs: nowMs + answer.heartbeatIntervalMs,
    target: answer.assigned ?? state.target,
  });
}

/** First what is revoked, then what is new; each is confirmed to the coordinator. */
function reconcile(state: IncrementalState): IncrementalStep {
  const { target, giving, owned, attempt } = state;
  if (target === null || giving !== null) return beatIfNeeded(state);
  const revoked = without(owned, target);
  if (revoked.length > 0) {
    const beating = beatIfNeeded({ ...state, giving: { as: "revoked", partitions: revoked } });
    return { state: beating.state, actions: [{ kind: "give-up", attempt, partitions: revoked, as: "revoked" }, ...beating.actions] };
  }
  const added = without(target, owned);
  if (added.length === 0) return beatIfNeeded(state);
  const beating = beatIfNeeded({ ...state, owned: [...owned, ...added], toSay: { ...state.toSay, owned: true } });
  return { state: beating.state, actions: [{ kind: "take", partitions: added }, ...beating.actions] };
}

function onGaveUp(state: IncrementalState, partitions: readonly TopicPartition[]): IncrementalStep {
  const owned = without(state.owned, partitions);
  if (state.giving?.as === "lost") return join({ ...state, owned, giving: null });
  return reconcile({ ...state, owned, giving: null, toSay: { ...state.toSay, owned: true } });
}

function loseAllAndJoin(state: IncrementalState): IncrementalStep {
  if (state.owned.length === 0) return join(state);
  const attempt = state.attempt + 1;
  const giving = { as: "lost", partitions: state.owned } as const;
  return {
    state: { ...state, phase: "in-group", attempt, giving, saying: null, epoch: 0, heartbeatAtMs: never },
    actions: [{ kind: "give-up", attempt, ...giving }],
  };
}

function onRefused(state: IncrementalState, failure: GroupFailure, nowMs: number, settings: IncrementalSettings): IncrementalStep {
  switch (failure) {
    case "lost":
    case "NOT_COORDINATOR":
    case "COORDINATOR_NOT_AVAILABLE":
    case "COORDINATOR_LOAD_IN_PROGRESS":
    case "REQUEST_TIMED_OUT": {
      const pauseMs = Math.min(settings.retryBackoffMs * 2 ** Math.min(state.failures, 30), settings.retryBackoffMaxMs);
      return stay({ ...state, failures: state.failures + 1, heartbeatAtMs: nowMs + pauseMs });
    }
    case "FENCED_MEMBER_EPOCH":
    case "UNKNOWN_MEMBER_ID":
      return loseAllAndJoin({ ...state, failures: 0 });
    default: {
      const attempt = state.attempt + 1;
      const { owned } = state;
      const lost: IncrementalAction[] = owned.length === 0 ? [] : [{ kind: "give-up", attempt, partitions: owned, as: "lost" }];
      return {
        state: { ...state, phase: "outside", epoch: 0, attempt, heartbeatAtMs: never },
        actions: [...lost, { kind: "fail", code: failure }],
      };
    }
  }
}
