import type { RetrySubject, RetryTimes } from "../base/retries.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { Coordinated } from "./coordinated.ts";
import { CoordinatorTrouble } from "./coordinator-trouble.ts";

/** It has failed, and is tried again. */
export type WaitFailed = (error: unknown, times?: RetryTimes) => void;

/**
 * What is wanted of a coordinator and has failed: to be a member, to commit, to fetch positions, to end a transaction. It is told
 * as one, for all of it waits for the same coordinator, and as over when nothing waits any more. That a request was answered is not enough:
 * a coordinator that cannot write still says where it is, and lets members join before it fails to store who they are.
 */
export class CoordinatorWaits {
  readonly #cluster: Cluster;
  readonly #subject: RetrySubject;
  readonly #trouble: CoordinatorTrouble;
  readonly #waiting = new Set<object>();

  constructor(cluster: Cluster, of: Coordinated) {
    this.#cluster = cluster;
    this.#subject = of;
    this.#trouble = new CoordinatorTrouble(cluster, of);
  }

  failed(waiting: object, error: unknown, times: RetryTimes = {}): void {
    const { retries } = this.#cluster;
    this.#waiting.add(waiting);
    retries.failed(this.#subject, retries.areWatched ? this.#trouble.explained(error) : error, times);
  }

  /** Something of the group is being told as waited for. */
  get isOpen(): boolean {
    return this.#waiting.size > 0;
  }

  /** It has not failed: its answer is held back. */
  holds(waiting: object, why: Error, times: RetryTimes): void {
    if (!this.#cluster.retries.areWatched) return;
    this.#waiting.add(waiting);
    this.#cluster.retries.waits(this.#subject, why, times);
  }

  worked(waiting: object): void {
    if (this.#isLast(waiting)) this.#cluster.retries.worked(this.#subject);
  }

  gaveUp(waiting: object): void {
    if (this.#isLast(waiting)) this.#cluster.retries.gaveUp(this.#subject);
  }

  /** Settles when `work` has ended, whatever is answered meanwhile. `failed`: to be called when it will be tried again. */
  async until<T>(work: (failed: WaitFailed) => Promise<T>): Promise<T> {
    const waiting = {};
    try {
      const result = await work((error, times) => this.failed(waiting, error, times));
      this.worked(waiting);
      return result;
    } catch (error) {
      this.gaveUp(waiting);
      throw error;
    }
  }

  #isLast(waiting: object): boolean {
    if (!this.#waiting.delete(waiting) || this.#waiting.size > 0) return false;
    this.#trouble.forget();
    return true;
  }
}
