import type { Clock } from "../../protocol/base/clock.ts";
import { asError } from "./as-error.ts";
import type { SettledEvent } from "./client-event-map.ts";
import type { ClientEvents } from "./client-events.ts";
import { KafkaProtocolError } from "./errors.ts";

/** What is tried again; `what` says it all, and is how it is found again. */
export interface RetrySubject {
  readonly what: string;
  readonly topic?: string;
  readonly partition?: number;
}

export interface RetryTimes {
  /** When it is given up. Monotonic; default: never. */
  readonly deadlineMs?: number;
  /** Since when it is waited for, where that is longer ago than the first failure. Monotonic. */
  readonly sinceMs?: number;
}

interface Open {
  readonly subject: RetrySubject;
  readonly sinceMs: number;
  failures: number;
  reason: string;
  toldAtMs: number;
  failedAtMs: number;
}

/** What fails at the same time: more is not told of. */
const openMax = 1_000;
/** The same reason is told again after this long. */
const tellAgainMs = 1_000;
/** Nothing is tried so seldom: it was forgotten, such as a partition that another member of the group has by now. */
const forgottenAfterMs = 60_000;

export const wholeCluster: RetrySubject = { what: "the cluster" };

/** What fails and is tried again, for those who listen to `retry` and `settled`. Where nobody does, it is counted, and nothing is kept. */
export class Retries {
  readonly #clock: Clock;
  readonly #events: ClientEvents;
  readonly #open = new Map<string, Open>();
  #failures = 0;

  constructor(clock: Clock, events: ClientEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** All that were tried again, whether anybody listens or not. */
  get failures(): number {
    return this.#failures;
  }

  /** Somebody listens: only then is it worth making up what `waits` needs. */
  get areWatched(): boolean {
    return this.#events.has("retry");
  }

  /** It has failed, and is tried again. */
  failed(subject: RetrySubject, error: unknown, times: RetryTimes = {}): void {
    this.#failures++;
    this.waits(subject, error, times);
  }

  /** The same of a partition. */
  partitionFailed(topic: string, partition: number, error: unknown, times: RetryTimes = {}): void {
    this.#failures++;
    if (this.areWatched) this.waits(partitionSubject(topic, partition), error, times);
  }

  /** Nothing has failed yet, or nothing was tried; but there is a reason why it does not go on. */
  waits(subject: RetrySubject, error: unknown, { deadlineMs = Number.POSITIVE_INFINITY, sinceMs }: RetryTimes = {}): void {
    if (!this.areWatched) return;
    const nowMs = this.#clock.monotonicMs();
    const known = this.#open.get(subject.what);
    if (known === undefined && !this.#hasRoom(nowMs)) return;
    const failure = asError(error);
    const reason = reasonOf(subject.what, failure);
    const open = known ?? {
      subject,
      sinceMs: sinceMs ?? nowMs,
      failures: 0,
      reason,
      toldAtMs: Number.NEGATIVE_INFINITY,
      failedAtMs: nowMs,
    };
    this.#open.set(subject.what, open);
    open.failures++;
    open.failedAtMs = nowMs;
    if (reason === open.reason && nowMs - open.toldAtMs < tellAgainMs) return;
    open.reason = reason;
    open.toldAtMs = nowMs;
    const untilMs = Number.isFinite(deadlineMs) ? this.#clock.nowMs() + (deadlineMs - nowMs) : null;
    this.#events.emit("retry", { ...told(open, nowMs), reason, error: failure, untilMs });
  }

  /** Tells how what `failed` was told of has ended, when `work` has. */
  async until<T>(subject: RetrySubject, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.worked(subject);
      return result;
    } catch (error) {
      this.gaveUp(subject);
      throw error;
    }
  }

  worked({ what }: RetrySubject): void {
    this.#settle(what, "worked");
  }

  /** The same of a partition: asked for each batch, so it makes nothing up where nothing fails. */
  partitionWorked(topic: string, partition: number): void {
    if (this.#open.size > 0) this.#settle(partitionSubject(topic, partition).what, "worked");
  }

  gaveUp({ what }: RetrySubject): void {
    this.#settle(what, "gave-up");
  }

  /** The client is closed. */
  gaveUpAll(): void {
    for (const what of [...this.#open.keys()]) this.#settle(what, "gave-up");
  }

  #settle(what: string, outcome: SettledEvent["outcome"]): void {
    const open = this.#open.get(what);
    if (open === undefined) return;
    this.#open.delete(what);
    this.#events.emit("settled", { ...told(open, this.#clock.monotonicMs()), outcome });
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#open.size < openMax) return true;
    for (const [what, { failedAtMs }] of this.#open) if (nowMs - failedAtMs > forgottenAfterMs) this.#settle(what, "gave-up");
    return this.#open.size < openMax;
  }
}

export function partitionSubject(topic: string, partition: number): RetrySubject {
  return { what: `${topic}-${partition}`, topic, partition };
}

export function topicSubject(topic: string): RetrySubject {
  return { what: `topic ${topic}`, topic };
}

function told({ subject, sinceMs, failures }: Open, nowMs: number) {
  const { what, topic = null, partition = null } = subject;
  return { what, topic, partition, failures, waitedMs: nowMs - sinceMs };
}

/** A sentence that comes with a code is about "it"; other messages mostly say whom they are about. */
function reasonOf(what: string, error: Error): string {
  const isWhole = what === wholeCluster.what;
  if (error instanceof KafkaProtocolError && error.detail?.startsWith("it "))
    return `${isWhole ? error.about : what} ${error.detail.slice("it ".length)}`;
  return isWhole || error.message.includes(what) ? error.message : `${what}: ${error.message}`;
}
