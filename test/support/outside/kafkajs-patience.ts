import { createRequire } from "node:module";

/**
 * kafkajs 2.2.4 can stop a whole process, tests' time limits included. (1) The brokers change, so a consumer re-creates its fetchers; (2)
 * it is stopped meanwhile, which stops the old ones; (3) the new ones ask a consumer that does not run, which answers "nothing" at once,
 * and ask again, for ever and without giving timers a turn. Here it takes a moment to answer.
 */
interface Runner {
  readonly running: boolean;
  fetch(nodeId: number): Promise<unknown>;
}

const { prototype } = createRequire(import.meta.url)("kafkajs/src/consumer/runner") as { readonly prototype: Runner };
const { fetch } = prototype;
prototype.fetch = async function (this: Runner, nodeId: number) {
  if (!this.running) await new Promise((resolve) => setTimeout(resolve, 50));
  return fetch.call(this, nodeId);
};
