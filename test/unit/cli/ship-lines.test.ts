import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { AcknowledgedPosition } from "../../../cli/produce/acknowledged-position.ts";
import { BadLine } from "../../../cli/produce/bad-line.ts";
import { allLines, linesLeft } from "../../../cli/produce/line-selection.ts";
import type { LineSource } from "../../../cli/produce/line-source.ts";
import { type RecordToSend, recordOfLine } from "../../../cli/produce/record-of-line.ts";
import { type LineProducer, type ShipOptions, shipLines } from "../../../cli/produce/ship-lines.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";

const format = { keySeparator: Buffer.from(" "), keepKey: true, key: null, nullValue: null };
const options: ShipOptions = {
  topic: "t",
  read: (line) => recordOfLine(line, format),
  lines: allLines,
  onBadLine: null,
  onProgress: () => {},
  onFailure: () => {},
  stopping: { stop: new AbortController().signal, abandoned: new AbortController().signal, onWait: () => {} },
};

interface Sent {
  readonly key: string | undefined;
  readonly value: string;
  readonly acknowledge: (attempts?: number) => void;
  readonly fail: (error: Error) => void;
}

/** A producer that answers when the test says so, or at once. */
class HeldProducer implements LineProducer {
  readonly sent: Sent[] = [];
  readonly #atOnce: boolean;

  constructor({ atOnce }: { readonly atOnce: boolean }) {
    this.#atOnce = atOnce;
  }

  send({ key, value }: RecordToSend): Promise<{ readonly attempts: number }> {
    return new Promise((resolve, fail) => {
      const acknowledge = (attempts = 1) => resolve({ attempts });
      this.sent.push({ key: key?.toString(), value: value?.toString() ?? "", acknowledge, fail });
      if (this.#atOnce) acknowledge();
    });
  }

  async flush(): Promise<void> {}
}

/** Lines of 100 bytes each, and how many batches of them were asked for. */
function source(batches: number, linesPerBatch: number) {
  const state = { asked: 0, stored: new AcknowledgedPosition() };
  const lines: LineSource = {
    async *batches() {
      for (let batch = 0; batch < batches; batch++) {
        state.asked++;
        yield {
          stored: state.stored,
          lines: Array.from({ length: linesPerBatch }, (_, i) => {
            const line = batch * linesPerBatch + i;
            return { bytes: Buffer.from(`${line} ${"x".repeat(98)}`.slice(0, 99)), endPosition: (line + 1) * 100 };
          }),
        };
      }
    },
  };
  return { lines, state };
}

test("every line is sent in order, with its key, and counted", async () => {
  const producer = new HeldProducer({ atOnce: true });
  const { lines, state } = source(3, 2);
  const report = await shipLines(lines, producer, options, nodeClock);
  expect(producer.sent.map(({ key }) => key)).toEqual(["0", "1", "2", "3", "4", "5"]);
  expect(producer.sent[5]?.value).toBe(`5 ${"x".repeat(97)}`);
  expect(report).toMatchObject({ lines: 6, acknowledged: 6, failed: 0, retried: 0, bytes: 6 * 99, failure: null });
  expect(state.stored.position).toBe(600);
});

test("it reads no further ahead than the producer takes", async () => {
  const producer = new HeldProducer({ atOnce: false });
  const { lines, state } = source(40, 2500);
  const shipped = shipLines(lines, producer, options, nodeClock);
  await sleep(50); // all that it does without an acknowledgement
  expect(producer.sent).toHaveLength(50_000);
  expect(state.asked).toBe(21);
  let next = 0;
  const pump = setInterval(() => {
    for (; next < producer.sent.length; next++) producer.sent[next]?.acknowledge();
  });
  expect(await shipped).toMatchObject({ lines: 100_000, acknowledged: 100_000 });
  clearInterval(pump);
});

test("lines that were sent more than once are counted", async () => {
  const producer = new HeldProducer({ atOnce: false });
  const shipped = shipLines(source(1, 3).lines, producer, options, nodeClock);
  await sleep(5);
  for (const [index, { acknowledge }] of producer.sent.entries()) acknowledge(index + 1);
  expect(await shipped).toMatchObject({ acknowledged: 3, retried: 2 });
});

test("a failed line ends the reading, and no position moves past it", async () => {
  const producer = new HeldProducer({ atOnce: false });
  const { lines, state } = source(100, 1000);
  let told = 0;
  const shipped = shipLines(lines, producer, { ...options, onFailure: () => told++ }, nodeClock);
  await sleep(50);
  const sentBefore = producer.sent.length;
  for (const [index, { acknowledge, fail }] of producer.sent.entries()) {
    if (index === 7 || index === 9) fail(new Error(`line ${index} too late`));
    else acknowledge();
  }
  const report = await shipped;
  expect(producer.sent).toHaveLength(sentBefore);
  expect(report).toMatchObject({ lines: sentBefore, acknowledged: sentBefore - 2, failed: 2 });
  expect(report.failure).toMatchObject({ line: 8, error: { message: "line 7 too late" } });
  expect(report.failedLines).toEqual([8, 10]);
  expect(told).toBe(1);
  expect(state.stored.position).toBe(700);
});

/** Lines "0", "1", …, of which some have no record. */
function withBadLines(...bad: number[]): Pick<ShipOptions, "read"> {
  return {
    read(line) {
      const number = Number.parseInt(line.toString(), 10) + 1;
      if (bad.includes(number)) throw new BadLine("is bad");
      return { key: null, value: line };
    },
  };
}

test("a bad line ends the run: what came before is stored, nothing after it is sent, and the rest is what is left", async () => {
  const producer = new HeldProducer({ atOnce: true });
  const { lines, state } = source(3, 4);
  const report = await shipLines(lines, producer, { ...options, ...withBadLines(6, 7) }, nodeClock);
  expect(producer.sent).toHaveLength(5);
  expect(report).toMatchObject({ lines: 6, acknowledged: 5, failed: 1, skipped: 0, lastLine: 6, failedLines: [6] });
  expect(report.failure).toMatchObject({ line: 6, error: { message: "is bad" } });
  expect(linesLeft(allLines, report.lastLine, report.failedLines)).toEqual([{ from: 6, to: Number.POSITIVE_INFINITY }]);
  expect(state.stored.position).toBe(500);
});

test("bad lines that are left out are told of, and hold nothing back", async () => {
  const producer = new HeldProducer({ atOnce: true });
  const { lines, state } = source(3, 4);
  const told: string[] = [];
  const onBadLine = (line: number, error: Error) => told.push(`${line} ${error.message}`);
  const report = await shipLines(lines, producer, { ...options, ...withBadLines(1, 6), onBadLine }, nodeClock);
  expect(told).toEqual(["1 is bad", "6 is bad"]);
  expect(report).toMatchObject({ lines: 12, acknowledged: 10, failed: 0, skipped: 2, failure: null });
  expect(state.stored.position).toBe(1200);
});

test("only the lines that are wanted are sent, and with what failed of them they are what is left", async () => {
  const producer = new HeldProducer({ atOnce: false });
  const wanted = [
    { from: 2, to: 3 },
    { from: 5, to: 5 },
    { from: 9, to: Number.POSITIVE_INFINITY },
  ];
  const shipped = shipLines(source(3, 4).lines, producer, { ...options, lines: wanted }, nodeClock);
  await sleep(5);
  expect(producer.sent.map(({ key }) => key)).toEqual(["1", "2", "4", "8", "9", "10", "11"]);
  for (const [index, { acknowledge, fail }] of producer.sent.entries()) index === 1 ? fail(new Error("no")) : acknowledge();
  const report = await shipped;
  expect(report).toMatchObject({ lines: 7, acknowledged: 6, lastLine: 12, failedLines: [3] });
  expect(linesLeft(wanted, report.lastLine, report.failedLines)).toEqual([
    { from: 3, to: 3 },
    { from: 13, to: Number.POSITIVE_INFINITY },
  ]);
});

test("stopped, it says how many lines it waits for; abandoned, these are in doubt and left to do", async () => {
  const producer = new HeldProducer({ atOnce: false });
  const [stop, abandoned] = [new AbortController(), new AbortController()];
  const waited: number[] = [];
  const stopping = { stop: stop.signal, abandoned: abandoned.signal, onWait: (lines: number) => waited.push(lines) };
  const shipped = shipLines(source(2, 3).lines, producer, { ...options, stopping }, nodeClock);
  await vi.waitFor(() => expect(producer.sent).toHaveLength(6));
  producer.sent[2]?.acknowledge();
  stop.abort();
  await vi.waitFor(() => expect(waited).toEqual([5]));
  abandoned.abort();
  const report = await shipped;
  expect(report).toMatchObject({ lines: 6, acknowledged: 1, failed: 5, inDoubt: 5, failure: null, isAbandoned: true });
  expect(report.failedLines).toEqual([1, 2, 4, 5, 6]);
});
