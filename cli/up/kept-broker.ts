import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerProcess } from "./broker-process.ts";
import { countShortLives, pauseBeforeRestart, type RestartPolicy } from "./restart-policy.ts";

type Process = Pick<BrokerProcess, "pid" | "exited" | "ready" | "stop">;

export interface KeptBrokerParts {
  readonly id: number;
  readonly start: () => Process;
  /** Null: a broker that ended is only reported. */
  readonly policy: RestartPolicy | null;
  readonly clock: Clock;
  /** Human-readable, a line each. */
  readonly tell: (line: string) => void;
  readonly logFile: string;
  /** The command that starts it by hand. */
  readonly startCommand: string;
}

/** One of `up`'s brokers: a process, and after it ended the next one. */
export class KeptBroker {
  readonly #parts: KeptBrokerParts;
  #process: Process;
  #startedAtMs: number;
  #shortLives = 0;
  #isStopping = false;
  #timer: Timer | null = null;

  constructor(parts: KeptBrokerParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.monotonicMs();
    this.#process = parts.start();
  }

  get id(): number {
    return this.#parts.id;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Of its first start. Rejects with its message when it cannot serve. */
  ready(): Promise<unknown> {
    return this.#process.ready();
  }

  /** From now on it is restarted when it ends. Until then an end is a failed start, which the caller reports. */
  keep(): void {
    const process = this.#process;
    void process.exited.then((reason) => {
      if (!this.#isStopping) this.#onEnd(reason);
    });
  }

  /** Nothing is started from now on. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#timer?.cancel();
    await this.#process.stop(graceMs);
  }

  #onEnd(reason: string): void {
    const { id, policy, clock, tell, logFile, startCommand } = this.#parts;
    const gone = `broker ${id} is gone (${reason}), its log is ${logFile}`;
    if (policy === null) return tell(`${gone}; start it again with: ${startCommand}`);
    this.#shortLives = countShortLives(this.#shortLives, clock.monotonicMs() - this.#startedAtMs, policy);
    const pauseMs = pauseBeforeRestart(this.#shortLives, policy);
    if (pauseMs === null)
      return tell(
        `${gone}; that was ${this.#shortLives} times soon after its start, so it is left to you: start it again with: ${startCommand}`,
      );
    tell(`${gone}; it is started again in ${pauseMs / 1000} s`);
    this.#timer = clock.schedule(pauseMs, () => this.#startAgain());
  }

  #startAgain(): void {
    const { id, start, clock, tell } = this.#parts;
    this.#startedAtMs = clock.monotonicMs();
    let process: Process;
    try {
      process = start();
    } catch (error) {
      // the file cannot be opened, or its directory was removed: the other processes continue
      return this.#onEnd(`it could not be started: ${error instanceof Error ? error.message : error}`);
    }
    this.#process = process;
    void process.ready().then(
      () => tell(`broker ${id} is back, pid ${process.pid}`),
      () => undefined, // reported when it is gone
    );
    this.keep();
  }
}
