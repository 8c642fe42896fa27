import type { ReadStream } from "node:tty";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { complain, withComplaintsTo } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import { RedrawnScreen } from "../output/redrawn-screen.ts";
import type { ClusterKnown, ClusterReader } from "./cluster-reader.ts";
import { readKeys } from "./keys.ts";
import { footerOf, remarksOf, screenOf, wholeTable } from "./screen.ts";
import { pressed, type TopState } from "./top-state.ts";
import { viewTables } from "./view-tables.ts";

export interface Top {
  readonly reader: ClusterReader;
  readonly first: TopState;
  readonly everyMs: number;
  /** Snapshots; null: until it is stopped. */
  readonly count: number | null;
  readonly json: boolean;
  readonly output: Output;
  /** Null: keys cannot be read. */
  readonly keyboard: ReadStream | null;
  readonly clock: Clock;
  /** Its end is no failure: being stopped is how it ends. */
  readonly stop: AbortSignal;
}

/** A live screen on a terminal; elsewhere, and as JSON, one snapshot after the other. */
export function top(parts: Top): Promise<void> {
  return parts.output.look.isTerminal && !parts.json && parts.count === null ? live(parts) : snapshots(parts);
}

async function live({ reader, first, everyMs, output, keyboard, clock, stop }: Top): Promise<void> {
  let state = first;
  let shown: ClusterKnown = reader.known;
  let complaint: string | null = null;
  const screen = new RedrawnScreen(output);
  const wake = new Wake(clock);
  const quit = new AbortController();
  const ended = AbortSignal.any([stop, output.closed, quit.signal]);
  const end = () => wake.now();
  ended.addEventListener("abort", end, { once: true });
  const stopKeys =
    keyboard === null
      ? () => {}
      : readKeys(keyboard, (key) => {
          const before = state;
          state = pressed(state, key);
          if (state.hasEnded) quit.abort();
          // another view is asked about at once
          else wake.now(state.view !== before.view);
        });
  const resized = () => wake.now();
  process.stdout.on("resize", resized);
  try {
    await reader.reach();
    await withComplaintsTo(
      (text) => {
        complaint = text;
      },
      async () => {
        for (let nextMs = 0; !ended.aborted; ) {
          if (!state.isPaused && (wake.isUrgent() || clock.monotonicMs() >= nextMs)) {
            void reader.ask(state.view, () => wake.now()).catch(() => undefined);
            nextMs = clock.monotonicMs() + everyMs;
          }
          if (!state.isPaused) shown = reader.known;
          const told = complaint === null ? shown : { ...shown, failures: [...shown.failures, complaint] };
          complaint = null;
          await screen.draw(screenOf(told, state, output.look, clock.nowMs()), footerOf(state, output.look, keyboard !== null));
          await wake.after(Math.max(50, state.isPaused ? everyMs : nextMs - clock.monotonicMs()), ended);
        }
      },
    );
  } finally {
    stopKeys();
    process.stdout.off("resize", resized);
  }
  await screen.end();
}

/** Ends a pause early. */
class Wake {
  readonly #clock: Clock;
  #resolve: (() => void) | null = null;
  #isAwake = false;
  #isUrgent = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(isUrgent = false): void {
    this.#isAwake = true;
    this.#isUrgent ||= isUrgent;
    this.#resolve?.();
  }

  /** Whether it was, since it was asked last. */
  isUrgent(): boolean {
    const was = this.#isUrgent;
    this.#isUrgent = false;
    return was;
  }

  async after(ms: number, ended: AbortSignal): Promise<void> {
    if (!this.#isAwake && !ended.aborted) {
      const pause = new AbortController();
      this.#resolve = () => pause.abort();
      await sleep(this.#clock, ms, AbortSignal.any([pause.signal, ended])).catch(() => undefined);
    }
    this.#resolve = null;
    this.#isAwake = false;
  }
}

/** Rates are between two moments: the first snapshot comes after one interval. */
async function snapshots({ reader, first, everyMs, count, json, output, clock, stop }: Top): Promise<void> {
  const ended = AbortSignal.any([stop, output.closed]);
  await reader.ask(first.view);
  const told = new Set<string>();
  for (let taken = 0; taken < (count ?? Number.POSITIVE_INFINITY); taken++) {
    await sleep(clock, everyMs, ended).catch(() => undefined);
    if (ended.aborted) return;
    // a broker that hangs holds up no more than one snapshot for one interval: what it knows is as it was
    const late = sleep(clock, everyMs, ended).catch(() => undefined);
    await Promise.race([reader.ask(first.view), late]);
    if (ended.aborted) return;
    const { known } = reader;
    if (json) await output.json(asJson(known, first, clock.nowMs()));
    else await output.write(`${taken === 0 ? "" : "\n"}${wholeTable(known, first, output.look)}`);
    for (const remark of json ? [] : remarksOf(known, first.view)) {
      if (!told.has(remark)) complain(remark);
      told.add(remark);
    }
  }
}

function asJson(known: ClusterKnown, { view, sorting, filter }: TopState, nowMs: number): object {
  const rows = viewTables[view].rows(known, { sorting: sorting[view], filter }).map(({ raw }) => raw);
  const { clusterId = null, controllerId = -1 } = known.metadata ?? {};
  return { timeMs: nowMs, clusterId, controllerId, [view]: rows, remarks: remarksOf(known, view) };
}
