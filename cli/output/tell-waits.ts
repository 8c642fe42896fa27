import type { RetryEvent, SettledEvent } from "../../client/base/client-event-map.ts";
import type { EventSource } from "../../client/base/client-events.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import { complain, tellingRuntime } from "./complaints.ts";
import { formatCount, formatSeconds, formatTime } from "./units.ts";

/** By then the user should know why nothing happens. */
const tellAfterMs = 3_000;
/** A wait is told of again after this long, */
const tellAgainMs = 10_000;
/** or with another reason, but not for reasons that take turns. */
const otherReasonAfterMs = 3_000;
const lookEveryMs = 500;
/** What has not been tried for this long is not waited for any more. Above the longest that one attempt takes to fail. */
const forgottenAfterMs = 45_000;

export interface WaitTellerParts {
  readonly clock: Clock;
  readonly tell: (line: string) => void;
}

interface Wait {
  readonly event: RetryEvent;
  readonly sinceMs: number;
  readonly heardAtMs: number;
}

/** Tells on standard error what a client waits for, why, and until when. The client itself is returned. */
export function tellWaits<C extends EventSource>(client: C, parts: WaitTellerParts = { clock: tellingRuntime.clock, tell: complain }): C {
  const teller = new WaitTeller(parts);
  client.on("retry", (event) => teller.waits(event));
  client.on("settled", (event) => teller.settled(event));
  return client;
}

/**
 * Makes lines of what a client tries again: one when it has gone on for a while, again now and then and when the reason changes, and one
 * when it goes on. However much waits at the same time, it is told in one line.
 */
class WaitTeller {
  readonly #clock: Clock;
  readonly #tell: (line: string) => void;
  /** By `what`, the longest wait first. The client bounds how many there are. */
  readonly #waits = new Map<string, Wait>();
  #told: { readonly what: string; readonly reason: string; readonly atMs: number; readonly others: number } | null = null;
  #isLooking = false;

  constructor({ clock, tell }: WaitTellerParts) {
    this.#clock = clock;
    this.#tell = tell;
  }

  waits(event: RetryEvent): void {
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = this.#waits.get(event.what)?.sinceMs ?? nowMs - event.waitedMs;
    this.#waits.set(event.what, { event, sinceMs, heardAtMs: nowMs });
    if (!this.#isLooking) this.#look();
  }

  settled({ what, outcome, waitedMs }: SettledEvent): void {
    this.#waits.delete(what);
    if (this.#waits.size > 0 || this.#told === null) return;
    const told = this.#told;
    this.#told = null;
    // what was given up is told of by whoever wanted it
    if (outcome === "worked") this.#tell(`${told.what}${andOthers(told.others)} ${goesOn(told.others)} after ${formatSeconds(waitedMs)}`);
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [what, { heardAtMs }] of this.#waits) if (nowMs - heardAtMs > forgottenAfterMs) this.#waits.delete(what);
    const [longest] = this.#waits.values();
    this.#isLooking = longest !== undefined;
    if (longest === undefined) return;
    if (this.#isDue(longest, nowMs)) this.#tellOf(longest, nowMs);
    this.#clock.schedule(lookEveryMs, () => this.#look());
  }

  #isDue({ event: { reason }, sinceMs }: Wait, nowMs: number): boolean {
    if (nowMs - sinceMs < tellAfterMs) return false;
    if (this.#told === null) return true;
    const toldForMs = nowMs - this.#told.atMs;
    return toldForMs >= tellAgainMs || (reason !== this.#told.reason && toldForMs >= otherReasonAfterMs);
  }

  #tellOf({ event: { what, reason, untilMs }, sinceMs }: Wait, nowMs: number): void {
    const others = this.#waits.size - 1;
    // not the same line again: it is still so
    const again = reason === this.#told?.reason ? `, for ${Math.round((nowMs - sinceMs) / 1000)} s now` : "";
    this.#told = { what, reason, atMs: nowMs, others };
    const also = others === 0 ? "" : ` (and ${formatCount(others, "more waits", "more wait")})`;
    this.#tell(`${reason}${also}${again}; ${untilMs === null ? "trying on" : `trying until ${formatTime(untilMs)}`}`);
  }
}

function andOthers(others: number): string {
  return others === 0 ? "" : ` and ${formatCount(others, "other")}`;
}

function goesOn(others: number): string {
  return others === 0 ? "goes on" : "go on";
}
