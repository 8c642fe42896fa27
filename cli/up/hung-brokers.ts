import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerProcess } from "./broker-process.ts";

const lookEveryMs = 5_000;
const answerMaxMs = 3_000;

/** Whether the broker at an address answers within so many milliseconds. */
export type Answers = (address: string, withinMs: number) => Promise<boolean>;

export interface HungBrokersParts {
  readonly clock: Clock;
  /** Human-readable, a line each. */
  readonly tell: (line: string) => void;
  readonly answers: Answers;
}

export interface WatchedBroker {
  readonly id: number;
  readonly address: string;
  readonly logFile: string;
}

/** Tells of a broker that does not answer although its process runs, once each time: only one that ends is started again. */
export class HungBrokers {
  readonly #parts: HungBrokersParts;
  readonly #end = new AbortController();

  constructor(parts: HungBrokersParts) {
    this.#parts = parts;
  }

  /** From when it serves until it has ended. Returns the process. */
  watched<P extends Pick<BrokerProcess, "pid" | "ready" | "exited">>(broker: WatchedBroker, process: P): P {
    process.ready().then(
      () => this.#watch(broker, process),
      () => undefined, // reported by whoever started it
    );
    return process;
  }

  /** All are about to be stopped. */
  end(): void {
    this.#end.abort();
  }

  async #watch({ id, address, logFile }: WatchedBroker, { pid, exited }: Pick<BrokerProcess, "pid" | "exited">): Promise<void> {
    const { clock, tell, answers } = this.#parts;
    const gone = new AbortController();
    void exited.then(() => gone.abort());
    const ended = AbortSignal.any([gone.signal, this.#end.signal]);
    for (let isTold = false; !ended.aborted; ) {
      const isWell = await answers(address, answerMaxMs);
      if (ended.aborted) return;
      if (!isWell && !isTold)
        tell(
          `broker ${id} has not answered for ${answerMaxMs / 1000} s, and its process (${pid}) runs: it hangs, or is very busy; its log is ${logFile}`,
        );
      isTold = !isWell;
      await sleep(clock, lookEveryMs, ended).catch(() => undefined);
    }
  }
}
