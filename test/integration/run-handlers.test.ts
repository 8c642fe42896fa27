import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Consumer, deadLetterHeaders, stringSerde } from "../../client/index.ts";
import { numbers, sorted } from "../support/group/consuming-members.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import type { Handed, RunOrder } from "../support/group/run-program.ts";
import { waitUntil } from "../support/wait-until.ts";

const on = useGroupCluster({ topics: "run" });
const program = fileURLToPath(new URL("../support/group/run-program.ts", import.meta.url));
const [partitions, keys, count] = [6, 40, 6_000];
/** What the program's handlers never get done. */
const isHopeless = (number: number) => number % 97 === 0;

class RunningMember {
  readonly handed: Handed[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor(order: RunOrder) {
    this.#child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ["ignore", "pipe", "inherit"] });
    this.#exited = once(this.#child, "close");
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      if (line.endsWith("}")) this.handed.push(JSON.parse(line)); // else it was cut off by its death
    });
    on.closers.push(() => this.end("SIGKILL").then(() => undefined));
  }

  /** Resolves with its exit code; null: it was killed. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    const [code] = await this.#exited;
    return code as number | null;
  }
}

test.each([["classic"], ["consumer"]] as const)(
  "%s: members come, leave and are killed: no record is lost, keys keep their order, the hopeless are dead letters",
  async (protocol) => {
    const [topic, deadTopic] = [await on.newTopic(partitions), await on.newTopic(1)];
    const group = `g-${topic}`;
    const order: RunOrder = { bootstrap: on.bootstrap, topic, deadTopic, group, groupProtocol: protocol, sessionTimeoutMs: 6_000 };
    const members: RunningMember[] = [];
    const handed = () => members.flatMap((member) => member.handed);
    const untilHanded = (many: number) =>
      waitUntil(`${many} records`, () => new Set(handed().map(({ value }) => value)).size >= many, { timeoutMs: 120_000 });
    const join = () => members.push(new RunningMember(order));

    const producing = (async () => {
      for (let from = 0; from < count; from += 200) {
        const some = Array.from({ length: 200 }, (_, i) => ({ topic, key: `k${(from + i) % keys}`, value: String(from + i) }));
        await on.producer.sendMany(some);
        await sleep(100);
      }
    })();
    join();
    join();
    await untilHanded(600);
    join();
    await waitUntil("the third to have a share", () => (members[2]?.handed.length ?? 0) > 50, { timeoutMs: 60_000 });
    await members[0]?.end("SIGKILL");
    await untilHanded(2_500);
    join();
    expect(await members[1]?.end("SIGTERM")).toBe(0);
    await producing;
    await untilHanded(count);
    // what is handed out is handled, committed or a dead letter: the group gets to the end of all partitions
    await waitUntil("everything to be committed", async () => {
      const offsets = await on.admin.listGroupOffsets(group);
      return offsets.reduce((sum, { offset }) => sum + offset, 0) === count;
    });
    expect([await members[2]?.end("SIGTERM"), await members[3]?.end("SIGTERM")]).toEqual([0, 0]);

    const byTime = handed().toSorted((a, b) => a.atMs - b.atMs);
    const firsts = new Map<string, Handed>();
    for (const each of byTime) if (!firsts.has(each.value)) firsts.set(each.value, each);
    expect(sorted([...firsts.keys()].map(Number))).toEqual(numbers(count));
    for (const [key, ofKey] of Map.groupBy(firsts.values(), (each) => each.key)) {
      const order = ofKey.map(({ value }) => Number(value));
      expect(order, `first deliveries of ${key}`).toEqual(sorted(order));
    }
    const dead = await deadLettersIn(deadTopic);
    expect(sorted([...new Set(dead.map(({ value }) => value))])).toEqual(numbers(count).filter(isHopeless));
    expect(new Set(dead.map(({ attempts }) => attempts))).toEqual(new Set(["3"]));
    const again = byTime.filter(({ attempt }) => attempt === 1).length - count;
    console.log(`${again} records were handed out again`);
    expect(again).toBeLessThan(count);
  },
);

async function deadLettersIn(topic: string): Promise<{ value: number; attempts: string }[]> {
  await using consumer = new Consumer({ bootstrap: on.bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  return await Array.fromAsync(consumer, ({ value, headers }) => ({
    value: Number(value),
    attempts: String(headers.find(({ key }) => key === deadLetterHeaders.attempts)?.value),
  }));
}
