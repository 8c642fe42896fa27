// A member of a group that handles records in parallel, as a process of its own, to be killed: prints what it does as lines of JSON.
import { Consumer, stringSerde } from "../../../client/index.ts";

/** What the program is told. */
export interface RunOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly deadTopic: string;
  readonly group: string;
  readonly groupProtocol: "classic" | "consumer";
  readonly sessionTimeoutMs: number;
}

/** A handler was called. */
export interface Handed {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
  readonly attempt: number;
  readonly atMs: number;
}

const { bootstrap, topic, deadTopic, group, groupProtocol, sessionTimeoutMs } = JSON.parse(process.argv[2] ?? "") as RunOrder;
const consumer = new Consumer({
  bootstrap,
  group,
  groupProtocol,
  sessionTimeoutMs,
  heartbeatIntervalMs: 500,
  autoCommitIntervalMs: 200,
  offsetReset: "earliest",
  keySerde: stringSerde,
  valueSerde: stringSerde,
});
process.once("SIGTERM", () => void consumer.close());
await consumer.subscribe([topic]);
const options = { concurrency: 12, orderBy: "key", retries: 2, retryDelayMs: 20, deadLetter: { topic: deadTopic } } as const;
await consumer.run(options, async ({ partition, offset, key, value }, { attempt }) => {
  const handed: Handed = {
    partition,
    offset,
    key: key ?? "",
    value: value ?? "",
    attempt,
    atMs: performance.timeOrigin + performance.now(),
  };
  process.stdout.write(`${JSON.stringify(handed)}\n`);
  const number = Number(value);
  await new Promise((resolve) => setTimeout(resolve, 5 + (number % 20)));
  if (number % 97 === 0) throw new Error("never");
  if (number % 13 === 0 && attempt === 1) throw new Error("not the first time");
});
