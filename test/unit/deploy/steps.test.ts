import { expect, test } from "vitest";

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): void;
}
interface Steps {
  run<T>(what: string, work: () => Promise<T>): Promise<T>;
}
type NewSteps = new (total: number, parts: { readonly stream: Stream; readonly nowMs: () => number }) => Steps;

const source = new URL("../../../deploy/steps.mjs", import.meta.url).href;
const { Steps } = (await import(source)) as { readonly Steps: NewSteps };

function stepsOn(terminal: { readonly columns: number } | null, total = 2) {
  const written: string[] = [];
  const time = { nowMs: 0 };
  const stream = { ...(terminal === null ? {} : { isTTY: true, ...terminal }), write: (text: string) => void written.push(text) };
  return { written, time, steps: new Steps(total, { stream, nowMs: () => time.nowMs }) };
}

test("a pipe gets a line when a step begins and when it ends", async () => {
  const { written, time, steps } = stepsOn(null);
  expect(await steps.run("installing", async () => (time.nowMs = 12_345))).toBe(12_345);
  await expect(steps.run("installing more", () => Promise.reject(new Error("no space")))).rejects.toThrow("no space");
  expect(written.join("")).toBe(
    "set-up 1/2: installing …\nset-up 1/2: installing: done after 12.3 s\nset-up 2/2: installing more …\nset-up 2/2: installing more: failed after 0.0 s\n",
  );
});

test("a terminal sees the seconds pass in one line, which is cut where it would break", async () => {
  const { written, time, steps } = stepsOn({ columns: 30 }, 1);
  await steps.run("installing a great many packages", async () => {
    time.nowMs = 1000;
    await expect.poll(() => written.length).toBe(2);
  });
  expect(written).toEqual([
    "\rset-up 1/1: installing a g… …\u001b[K",
    "\rset-up 1/1: installing… … 1 s\u001b[K",
    "\rset-up 1/1…: done after 1.0 s\u001b[K\n",
  ]);
});
