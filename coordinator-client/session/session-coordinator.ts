import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import {
  type ChildList,
  type Coordinator,
  CoordinatorUnavailable,
  type Node,
  type SessionState,
  type WriteOperation,
  type WriteResult,
} from "../coordinator.ts";
import { belowChroot, pathFault, pathPrefixes, withoutChroot } from "../path-rules.ts";
import { judgeLink } from "./link-health.ts";
import { PendingRequests } from "./pending-requests.ts";
import { type AskedAt, SessionProof } from "./session-proof.ts";
import { StateListeners } from "./state-listeners.ts";
import { type WatchKind, WatchTable } from "./watch-table.ts";
import type { SessionWire, WireAnswer, WireFactory, WireRequest, WireSession } from "./wire.ts";
import { measureWrite, unansweredMaxBytes } from "./write-size.ts";

export interface SessionOptions {
  /** Creates the connection to the servers; called once per session. */
  readonly newWire: WireFactory;
  /** Empty, or the absolute path of the chroot; created by `ensurePath` only. */
  readonly chroot: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The most requests that may be unanswered at once; further ones are refused at once. */
  readonly requestsMax?: number;
  /** How long `close` waits for the server's answer. Milliseconds. */
  readonly closeWaitMaxMs?: number;
}

const requestsMaxDefault = 2_000;
const closeWaitMaxMsDefault = 2_000;
/** An ordinary read and not a ping: its answer can be identified, and comes in order. */
const proofOfLife: WireRequest = { kind: "exists", path: "/", watch: null };

/**
 * The coordinator over any wire: the session's state and what proves it, every request settled, watches re-armed, a new wire after each
 * lost session.
 */
export class SessionCoordinator implements Coordinator {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #pending = new PendingRequests();
  readonly #states = new StateListeners();
  readonly #watches: WatchTable;

  #wire: SessionWire | null = null;
  /** The session of the current wire, once a server has granted it. */
  #session: WireSession | null = null;
  #linkIsUp = false;
  #sessionNumber = 0;
  readonly #proof: SessionProof;
  /** When the current wire, or its next link, started to connect, or earlier. */
  #attempt: AskedAt;
  #heardMs = 0;
  #probedMs = 0;
  #isAskingAnew = false;
  #unansweredBytes = 0;
  #watchdog: Timer | null = null;
  #closing: Promise<void> | null = null;
  /** Ends the wait of a `close` in progress. */
  #goodbyeSaid: () => void = () => {};

  constructor(options: SessionOptions) {
    const fault = options.chroot === "" ? null : pathFault(options.chroot);
    if (fault !== null) throw new Error(`the coordinator's chroot "${options.chroot}" ${fault}`);
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#proof = new SessionProof(options.clock);
    this.#attempt = this.#proof.asking();
    this.#watches = new WatchTable((request, answered) => this.#send(this.#belowChroot(request), answered));
    this.#openWire();
  }

  get state(): SessionState {
    return this.#states.current;
  }

  get sessionNumber(): number {
    return this.#sessionNumber;
  }

  get provedUntilMs(): number {
    const untilMs = this.#proof.certainUntilMs;
    if (untilMs <= this.#clock.monotonicMs()) this.#askAnew();
    return untilMs;
  }

  onState(listener: (state: SessionState, sessionNumber: number) => void): () => void {
    return this.#states.listen(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    return this.#states.connected(signal);
  }

  async read(path: string): Promise<Node | null> {
    const answer = await this.#request({ kind: "read", path });
    invariant(answer.kind === "node", "a read is answered by a node");
    const { node, sessionId } = answer;
    return node === null ? null : { ...node, ownedByUs: node.ephemeralOwner !== null && node.ephemeralOwner === sessionId };
  }

  async children(path: string): Promise<ChildList | null> {
    const answer = await this.#request({ kind: "children", path, watch: null });
    invariant(answer.kind === "children", "a listing is answered by names");
    return answer.list;
  }

  async write(operations: readonly WriteOperation[]): Promise<WriteResult> {
    invariant(operations.length > 0, "a write has operations");
    for (const { path } of operations) checkPath(path);
    const { bytes, firstTooLarge } = measureWrite(operations, this.#options.chroot);
    if (firstTooLarge !== null) return { kind: "conflict", failedIndex: firstTooLarge, reason: "too-large" };
    if (this.#unansweredBytes + bytes > unansweredMaxBytes) {
      return {
        kind: "unknown",
        error: new CoordinatorUnavailable(`${unansweredMaxBytes} bytes of writes to the coordinator are unanswered already`),
      };
    }
    this.#unansweredBytes += bytes;
    try {
      const answer = await this.#request({ kind: "write", operations });
      invariant(answer.kind === "write", "a write is answered by a result");
      return answer.result.kind === "written" ? withoutChroots(this.#options.chroot, answer.result) : answer.result;
    } catch (error) {
      if (error instanceof CoordinatorUnavailable) return { kind: "unknown", error };
      throw error;
    } finally {
      this.#unansweredBytes -= bytes;
    }
  }

  async ensurePath(path: string): Promise<void> {
    checkPath(path);
    if ((await this.read(path)) !== null) return;
    for (const prefix of pathPrefixes(belowChroot(this.#options.chroot, path))) {
      const operations = [{ kind: "create", path: prefix, data: Buffer.alloc(0), mode: "persistent" }] as const;
      // the chroot's own znodes are outside of it
      const answer = await this.#requestAsIs({ kind: "write", operations });
      invariant(answer.kind === "write", "a write is answered by a result");
      const { result } = answer;
      if (result.kind === "unknown") throw new CoordinatorUnavailable(`cannot tell whether ${prefix} was created`, { cause: result.error });
      if (result.kind === "conflict" && result.reason !== "node-exists") {
        throw new CoordinatorUnavailable(`cannot create ${prefix}: ${result.reason}`);
      }
    }
  }

  watch(path: string, kind: WatchKind, changed: () => void): () => void {
    checkPath(path);
    return this.#watches.add(path, kind, changed);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Stops at once without a message to the server, as a killed process would: the session lives on there until it times out. For tests and
   * the simulator.
   */
  abandon(): void {
    this.#closing ??= Promise.resolve();
    this.#endLink();
    this.#killWire();
    this.#watches.clear();
    this.#setState("closed");
  }

  async #close(): Promise<void> {
    const wire = this.#wire;
    this.#setState("closed");
    this.#watchdog?.cancel();
    if (wire !== null && this.#linkIsUp) {
      await new Promise<void>((resolve) => {
        const giveUp = this.#clock.schedule(this.#options.closeWaitMaxMs ?? closeWaitMaxMsDefault, resolve);
        this.#goodbyeSaid = () => {
          giveUp.cancel();
          resolve();
        };
        wire.endSession(this.#goodbyeSaid);
      });
    }
    this.#endLink();
    this.#killWire();
    this.#watches.clear();
  }

  // ---- the life of the session ----

  #openWire(): void {
    invariant(this.#wire === null, "one wire at a time");
    this.#session = null;
    let wire: SessionWire | null = null;
    const ifCurrent =
      <A extends unknown[]>(handle: (...args: A) => void) =>
      (...args: A) => {
        if (wire !== null && wire === this.#wire) handle(...args);
      };
    this.#attempt = this.#proof.asking();
    wire = this.#options.newWire({
      linkUp: ifCurrent((session) => this.#onLinkUp(session)),
      linkDown: ifCurrent((reason) => this.#onLinkDown(reason)),
      expired: ifCurrent(() => this.#loseSession("a server says that it has expired")),
      heard: ifCurrent(() => {
        this.#heardMs = this.#clock.monotonicMs();
      }),
    });
    this.#wire = wire;
    wire.start();
  }

  #onLinkUp(session: WireSession): void {
    const isNew = this.#session === null;
    if (this.#closing !== null) return;
    this.#session = session;
    this.#linkIsUp = true;
    const nowMs = this.#clock.monotonicMs();
    this.#heardMs = nowMs;
    this.#probedMs = nowMs;
    this.#proof.answered({ ...this.#attempt, sentMs: session.sentMs }, session.timeoutMs);
    if (isNew) {
      this.#sessionNumber++;
      this.#log.info({ session: session.id, sessionNumber: this.#sessionNumber, timeoutMs: session.timeoutMs }, "coordinator: new session");
    }
    this.#watch();
    // A process that was suspended finds two things: the link came up meanwhile, and its session has expired since. The next session's link
    // is another one; if we went on, it would be no change of state.
    if (this.#session !== session) return;
    this.#setState("connected");
    this.#watches.linkUp();
  }

  #onLinkDown(reason: string): void {
    if (!this.#linkIsUp) return;
    if (this.#closing === null)
      this.#log.warn({ reason, sessionNumber: this.#sessionNumber }, "coordinator: link lost, trying the next server");
    // The state first: a caller whose request has no answer must see why.
    if (this.state === "connected") this.#setState("suspended");
    this.#endLink();
  }

  #loseSession(reason: string): void {
    if (this.#closing !== null) return;
    this.#log.warn({ reason, sessionNumber: this.#sessionNumber }, "coordinator: session lost");
    this.#proof.lose();
    if (this.#session !== null) this.#setState("lost");
    this.#killWire();
    this.#endLink();
    this.#openWire();
  }

  #endLink(): void {
    this.#linkIsUp = false;
    this.#attempt = this.#proof.asking();
    this.#watches.linkDown();
    this.#pending.abandonAll();
    this.#goodbyeSaid();
  }

  #killWire(): void {
    this.#watchdog?.cancel();
    const wire = this.#wire;
    this.#wire = null;
    wire?.kill();
  }

  #setState(state: SessionState): void {
    this.#states.set(state, this.#sessionNumber);
  }

  // ---- proof of life ----

  /** Checks the link now, acts, and schedules the next check. */
  #watch(): void {
    this.#watchdog?.cancel();
    if (this.#session === null || this.#closing !== null) return;
    const nowMs = this.#clock.monotonicMs();
    const verdict = judgeLink(
      {
        timeoutMs: this.#session.timeoutMs,
        linkIsUp: this.#linkIsUp,
        heardMs: this.#heardMs,
        probedMs: this.#probedMs,
        oldestUnansweredMs: this.#pending.oldestSentMs,
        provedUntilMs: this.#proof.untilMs,
      },
      nowMs,
    );
    switch (verdict.kind) {
      case "presume-lost":
        this.#loseSession("no proof of life for a whole session timeout");
        return;
      case "drop":
        this.#wire?.dropLink(verdict.reason);
        this.#onLinkDown(verdict.reason);
        break;
      case "probe":
        this.#probedMs = nowMs;
        this.#send(proofOfLife, () => {});
        break;
      case "wait":
        break;
    }
    const nextMs = verdict.kind === "wait" ? verdict.untilMs - nowMs : 0;
    this.#watchdog = this.#clock.schedule(Math.max(1, Math.ceil(nextMs)), () => this.#watch());
  }

  /**
   * The link is up and the proof is over: the machine has slept, or somebody has set its clock. An answer to what is asked now tells which,
   * and is not to wait for the watchdog's next probe.
   */
  #askAnew(): void {
    if (!this.#linkIsUp || this.#isAskingAnew) return;
    this.#isAskingAnew = true;
    this.#send(proofOfLife, () => {
      this.#isAskingAnew = false;
    });
  }

  // ---- requests ----

  /** Sends on the link if it is up; `settled` gets null when it is down, or breaks first. */
  #send(request: WireRequest, settled: (answer: WireAnswer | null) => void): void {
    const wire = this.#wire;
    if (!this.#linkIsUp || wire === null) return settled(null);
    const asked = this.#proof.asking();
    const answered = this.#pending.add(asked.sentMs, settled);
    wire.send(request, (answer) => {
      if (wire === this.#wire && this.#session !== null) this.#proof.answered(asked, this.#session.timeoutMs);
      answered(answer);
    });
  }

  #request(request: WireRequest): Promise<WireAnswer & { readonly sessionId: string }> {
    return this.#requestAsIs(this.#belowChroot(request));
  }

  /** With the server's own paths. */
  #requestAsIs(request: WireRequest): Promise<WireAnswer & { readonly sessionId: string }> {
    return new Promise((resolve, reject) => {
      const what = describeRequest(request);
      if (this.state !== "connected") return reject(new CoordinatorUnavailable(`${what}: the coordinator session is ${this.state}`));
      const requestsMax = this.#options.requestsMax ?? requestsMaxDefault;
      if (this.#pending.size >= requestsMax) {
        return reject(new CoordinatorUnavailable(`${what}: ${requestsMax} requests to the coordinator are unanswered already`));
      }
      const sessionId = this.#session?.id ?? "";
      this.#send(request, (answer) => {
        if (answer === null) reject(new CoordinatorUnavailable(`${what}: no answer, the link to the coordinator broke`));
        else if (answer.kind === "failed") reject(new CoordinatorUnavailable(`${what}: ${answer.error.message}`, { cause: answer.error }));
        else resolve({ ...answer, sessionId });
      });
    });
  }

  #belowChroot(request: WireRequest): WireRequest {
    const { chroot } = this.#options;
    if (request.kind !== "write") {
      checkPath(request.path);
      return chroot === "" ? request : { ...request, path: belowChroot(chroot, request.path) };
    }
    if (chroot === "") return request;
    return {
      kind: "write",
      operations: request.operations.map((operation) => ({ ...operation, path: belowChroot(chroot, operation.path) })),
    };
  }
}

function withoutChroots(chroot: string, written: WriteResult & { readonly kind: "written" }): WriteResult {
  if (chroot === "") return written;
  return { kind: "written", results: written.results.map(({ path, version }) => ({ path: withoutChroot(chroot, path), version })) };
}

function describeRequest(request: WireRequest): string {
  if (request.kind !== "write") return `${request.kind} ${request.path}`;
  const [first] = request.operations;
  const more = request.operations.length - 1;
  return `${first?.kind} ${first?.path}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Paths come from our own code: a malformed one is a bug. Topic names were validated before. */
function checkPath(path: string): void {
  const fault = pathFault(path);
  invariant(fault === null, "a coordinator path is well-formed", () => ({ path, fault }));
}
