import type { Coordinator, SessionState, WriteOperation } from "../../coordinator-client/coordinator.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";

export interface OpenOptions {
  /** Empty or absolute. */
  readonly chroot?: string;
  readonly requestsMax?: number;
}

/** One world to run the suite in: a fresh server per test as far as the tests can see. */
export interface CoordinatorHarness {
  readonly sessionTimeoutMs: number;
  /** Opens a session that `dispose` closes. Not connected yet. */
  open(options?: OpenOptions): Promise<Coordinator>;
  /** The server ends the session. */
  expire(coordinator: Coordinator): Promise<void>;
  /** The connection is reset; the session lives on. */
  breakLink(coordinator: Coordinator): void;
  /** The next write is carried out, or not, and its answer is lost with the link. */
  loseNextAnswer(coordinator: Coordinator, fate: { readonly done: boolean }): void;
  nowMs(): number;
  sleep(ms: number): Promise<void>;
  /** Waits for the condition; fails after a generous time and says what did not come. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  dispose(): Promise<void>;
}

export const create = (
  path: string,
  text = "",
  mode: "persistent" | "ephemeral" | "persistent-sequential" = "persistent",
): WriteOperation => ({
  kind: "create",
  path,
  data: Buffer.from(text),
  mode,
});
export const set = (path: string, text: string, version: number): WriteOperation => ({
  kind: "set",
  path,
  data: Buffer.from(text),
  version,
});
export const remove = (path: string, version: number): WriteOperation => ({ kind: "delete", path, version });
export const check = (path: string, version: number): WriteOperation => ({ kind: "check", path, version });

/** The node's data as text, null when there is none. */
export async function textAt(coordinator: Coordinator, path: string): Promise<string | null> {
  return (await coordinator.read(path))?.data.toString() ?? null;
}

export interface Moment {
  readonly state: SessionState;
  readonly sessionNumber: number;
  readonly atMs: number;
}

/** Every change of state from now on, with its time on the real clock. */
export function recordStates(coordinator: Coordinator): Moment[] {
  const moments: Moment[] = [];
  coordinator.onState((state, sessionNumber) => moments.push({ state, sessionNumber, atMs: nodeClock.monotonicMs() }));
  return moments;
}

/** `connected 1`, `suspended 1`, … */
export function statesOf(moments: readonly Moment[]): string[] {
  return moments.map(({ state, sessionNumber }) => `${state} ${sessionNumber}`);
}
