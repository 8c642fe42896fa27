import type { Coordinator, WriteOperation } from "../../coordinator-client/coordinator.ts";

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
  /** The next write is done, or not, and its answer lost with the link. */
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
