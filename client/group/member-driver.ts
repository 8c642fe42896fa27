import type { Timer } from "../../protocol/base/clock.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { asError } from "../base/as-error.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { failureOf, isOfCoordinator } from "./failure.ts";
import type { GroupIdentity, Membership, MembershipHost } from "./group-membership.ts";
import type { GroupSettings } from "./group-options.ts";
import type { MemberAction, MemberEvent, Step } from "./member-step.ts";

/** One membership protocol, as pure steps and the execution of their actions. */
export interface MemberProtocol<State, Event, Action> {
  step(state: State, event: Event | MemberEvent, nowMs: number): Step<State, Action | MemberAction>;
  /** "outside" or "left": time does not matter to it, and a member that has left rejoins when the application asks for a record. */
  phaseOf(state: State): string;
  /** The generation, or the member's epoch. */
  generationOf(state: State): number;
  identityOf(state: State): GroupIdentity;
  isSettled(state: State): boolean;
  /** When `ticked` is due next. Monotonic. */
  nextTickMs(state: State): number;
  /** How often at least the application's processing time is checked: it may exceed the limit at any time. */
  readonly lookEveryMs: number;
  /** There is a new attempt: what was started for the one before is void. */
  overtaken(): void;
  /** It is leaving: nothing that it watches matters any more. */
  closing(): void;
  /** Executes the actions that only this protocol has. Returns the promise of a leave request, for `leave` to wait for. */
  perform(action: Exclude<Action, MemberAction>): Promise<void> | null;
}

export interface MemberParts {
  readonly cluster: Cluster;
  readonly settings: GroupSettings;
  readonly host: MembershipHost;
}

/** What the states of both protocols have in common. */
interface MemberState {
  readonly memberId: string;
  /** Answers and reports that belong to an earlier attempt are void. */
  readonly attempt: number;
}

/** A member of a group: keeps its state, steps it, executes the resulting actions, and wakes it when a deadline is due. */
export class MemberDriver<State extends MemberState, Event extends { readonly kind: string }, Action extends { readonly kind: string }>
  implements Membership
{
  readonly #parts: MemberParts;
  readonly #protocol: MemberProtocol<State, Event, Action>;
  #state: State;
  #timer: Timer | null = null;
  #lastFailure: Error | null = null;

  constructor(parts: MemberParts, protocol: MemberProtocol<State, Event, Action>, initial: State) {
    this.#parts = parts;
    this.#protocol = protocol;
    this.#state = initial;
  }

  get state(): State {
    return this.#state;
  }

  get identity(): GroupIdentity {
    return this.#protocol.identityOf(this.#state);
  }

  get isSettled(): boolean {
    return this.#protocol.isSettled(this.#state);
  }

  join(): void {
    this.dispatch({ kind: "join-wanted" });
  }

  polled(): void {
    if (this.#protocol.phaseOf(this.#state) === "left") this.dispatch({ kind: "polled" });
  }

  commitRefused(generation: number, failure: KafkaError): void {
    this.dispatch({ kind: "commit-refused", generation, failure });
  }

  async leave(): Promise<void> {
    this.#protocol.closing();
    await Promise.all(this.dispatch({ kind: "closed" }));
  }

  /** Returns the leave requests in flight. */
  dispatch(event: Event | MemberEvent): Promise<void>[] {
    const { cluster, host } = this.#parts;
    const before = this.#state;
    const { state, actions } = this.#protocol.step(before, event, cluster.runtime.clock.monotonicMs());
    this.#state = state;
    this.#tell(event.kind, before, state);
    if (state.attempt !== before.attempt) this.#protocol.overtaken();
    const leaving = actions.flatMap((action) => this.#perform(action) ?? []);
    this.#schedule();
    host.changed();
    return leaving;
  }

  /**
   * A request of this attempt failed: passes the event that `eventFor` makes of it to the steps. Not when the client was closed: nothing
   * may act on it any more.
   */
  failed(error: unknown, eventFor: (failure: ReturnType<typeof failureOf>) => Event): void {
    if (this.#parts.cluster.isClosed) return;
    this.#lastFailure = asError(error);
    const failure = failureOf(error);
    if (isOfCoordinator(failure)) this.#parts.host.waits.failed(this, error);
    this.dispatch(eventFor(failure));
  }

  /** A request of this attempt was answered as it should be. What was waited for is to be in the group, which takes several of them. */
  succeeded(event: Event): void {
    this.dispatch(event);
    if (this.isSettled) this.#parts.host.waits.worked(this);
  }

  /** Resolves in any case: when the leave request gets lost, the session ends by itself. */
  async goodbye(answered: Promise<unknown>): Promise<void> {
    await answered.catch((error: unknown) => {
      this.#parts.cluster.runtime.log.debug(
        { group: this.#parts.settings.groupId, err: error },
        "leaving the group was not acknowledged; the session will end by itself",
      );
    });
  }

  #tell(event: string, before: State, after: State): void {
    const { phaseOf, generationOf } = this.#protocol;
    const [from, to] = [phaseOf(before), phaseOf(after)];
    const generation = generationOf(after);
    if (from === to && generation === generationOf(before)) return;
    const { cluster, settings } = this.#parts;
    cluster.runtime.log.debug({ group: settings.groupId, member: after.memberId, generation, event }, `${from} -> ${to}`);
  }

  #schedule(): void {
    const { cluster, settings, host } = this.#parts;
    const { lookEveryMs } = this.#protocol;
    this.#timer?.cancel();
    this.#timer = null;
    const phase = this.#protocol.phaseOf(this.#state);
    if (phase === "outside" || phase === "left" || cluster.isClosed) return;
    const { clock } = cluster.runtime;
    const nowMs = clock.monotonicMs();
    const busySinceMs = host.busySinceMs();
    const pollBeforeMs = busySinceMs === null ? Number.POSITIVE_INFINITY : busySinceMs + settings.maxPollIntervalMs;
    const atMs = Math.min(this.#protocol.nextTickMs(this.#state), pollBeforeMs, nowMs + lookEveryMs);
    this.#timer = clock.schedule(Math.max(atMs - nowMs, 0), () => this.dispatch({ kind: "ticked", busySinceMs: host.busySinceMs() }));
  }

  #perform(action: Action | MemberAction): Promise<void> | null {
    if (!isOfBoth(action)) return this.#protocol.perform(action as Exclude<Action, MemberAction>);
    const { host, settings } = this.#parts;
    switch (action.kind) {
      case "give-up": {
        const { attempt, partitions, as } = action;
        void host.giveUp(partitions, as).then(() => this.dispatch({ kind: "gave-up", attempt, partitions }));
        return null;
      }
      case "take":
        host.take(action.partitions);
        return null;
      case "fail":
        this.#parts.host.waits.gaveUp(this);
        host.fail(this.#lastFailure ?? new KafkaProtocolError(action.code, `group ${settings.groupId}`));
        return null;
    }
  }
}

const kindsOfBoth: ReadonlySet<string> = new Set<MemberAction["kind"]>(["give-up", "take", "fail"]);

function isOfBoth<A extends { readonly kind: string }>(action: A | MemberAction): action is MemberAction {
  return kindsOfBoth.has(action.kind);
}
