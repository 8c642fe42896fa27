import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { CommandFailed } from "../../../cli/output/command-failed.ts";
import { complain } from "../../../cli/output/complaints.ts";
import type { Look } from "../../../cli/output/look.ts";
import { Output } from "../../../cli/output/output.ts";
import { watch } from "../../../cli/session/watch.ts";
import { ManualClock } from "../client/manual-clock.ts";

const [terminal, pipe]: Look[] = [
  { isTerminal: true, columns: 40, rows: 8, hasColours: false },
  { isTerminal: false, columns: null, rows: null, hasColours: false },
] as const;

/** Watches what `shows` writes, one after the other; stops after the last one. */
async function watched(
  look: Look | undefined,
  shows: readonly (string | Error | { readonly complaint: string; readonly after: string })[],
  json = false,
): Promise<string[]> {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const clock = new ManualClock();
  const stop = new AbortController();
  let at = 0;
  const show = async (output: Output) => {
    const next = shows[at++];
    if (next === undefined) return stop.abort();
    if (next instanceof Error) throw next;
    if (typeof next === "object") complain(next.complaint);
    await output.write(typeof next === "object" ? next.after : next);
  };
  const options = { everyMs: 2000, json, bootstrap: ["b:1"], clock, stop: stop.signal };
  await clock.until(watch(show, { ...options, output: new Output(stream, () => look ?? pipe!) }));
  // escape sequences as they are named
  return written.map((text) => text.replaceAll("\u001b", "ESC"));
}

test("a terminal is drawn anew in place: up over what was there, each line to its end, and nothing of it left below", async () => {
  const [first, second, third, end, ...others] = await watched(terminal, ["a\nb\nc\n", "longer\n", "x\ny\n"]);
  expect([end, ...others]).toEqual(["\rESC[J"]);
  expect(first).toMatch(/^\raESC\[K\nbESC\[K\ncESC\[K\n\d\d:\d\d:\d\d {2}every 2 s, Ctrl-C endsESC\[K\nESC\[J$/);
  expect(second).toMatch(/^\rESC\[4AlongerESC\[K\n/);
  expect(third).toMatch(/^\rESC\[2AxESC\[K\nyESC\[K\n/);
});

test("what is higher than the window is cut with a mark, lines that the terminal breaks counted", async () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}\n`).join("");
  const [high, , broken] = await watched(terminal, [lines(20), "short\n", `${"w".repeat(100)}\n${lines(10)}`]);
  expect(high?.split("\n")).toHaveLength(6 + 1 + 1);
  expect(high).toContain("line 4ESC[K\n… 15 more linesESC[K\n");
  expect(broken).toContain("line 1ESC[K\n… 8 more linesESC[K\n");
});

test("a pipe gets texts with an empty line between them, and JSON in lines", async () => {
  expect((await watched(pipe, ["a\nb\n", "c\n"])).join("")).toBe("a\nb\n\nc\n");
  expect((await watched(pipe, ["[1]\n", "[2]\n"], true)).join("")).toBe("[1]\n[2]\n");
  expect((await watched(terminal, ["[1]\n", "[2]\n"], true)).join("")).toBe("[1]\n[2]\n");
});

test("a failure at first ends it; later it is told below what was last known, and tried again", async () => {
  await expect(watched(terminal, [new CommandFailed("no broker")])).rejects.toThrow("no broker");
  const [, failed, mended] = await watched(terminal, ["fine\n", new CommandFailed("no broker"), "fine again\n"]);
  expect(failed).toContain("fineESC[K\nottla: no broker; trying againESC[K\n");
  expect(mended).toContain("fine againESC[K\n");
  await expect(watched(terminal, ["fine\n", new TypeError("a bug")])).rejects.toThrow("a bug");
});

test("a complaint in the middle of a long look is shown at once, in its place and not among the lines", async () => {
  const complaining = { after: "fine again\n", complaint: "broker 2 does not answer" };
  const [, complained, again] = await watched(terminal, ["fine\n", complaining]);
  expect(complained).toContain("ESC[2Afine" + "ESC[K\nottla: broker 2 does not answerESC[K\n");
  expect(again).toMatch(/^\rESC\[3Afine againESC\[K\n\d/);
});
