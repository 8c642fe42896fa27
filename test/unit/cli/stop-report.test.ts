import { expect, test } from "vitest";
import { BadLine, isInDoubt } from "../../../cli/produce/bad-line.ts";
import { type StopFacts, whereStopped, whyAbandoned, whyStopped } from "../../../cli/produce/stop-report.ts";
import { DeliveryTimedOut, KafkaProtocolError, RecordTooLarge } from "../../../client/index.ts";

function told(error: Error, more: Partial<StopFacts> = {}): string {
  const facts = { input: "a.txt", failure: { line: 1001, error }, reason: error.message, acknowledged: 1000, failed: 1, inDoubt: 0 };
  return whyStopped({ ...facts, goOn: { kind: "lines", text: "1001-" }, ...more });
}

test("a bad line is named, with what is wrong with it and both ways to go on", () => {
  expect(told(new BadLine("is not JSON: why"))).toBe(
    "line 1,001 of a.txt is not JSON: why; 1,000 lines of this run are stored; " +
      "to go on without duplicates, mend the line and add --resume 1001-, or leave it out with --skip-bad --resume 1001-",
  );
  expect(told(new RecordTooLarge("too large"), { acknowledged: 1 })).toMatch(
    /^line 1,001 of a.txt was not stored: too large; 1 line of this run is/,
  );
});

test("what may be stored all the same is counted, and no promise made that it comes once", () => {
  const late = told(new DeliveryTimedOut("too late", 2, null), { failed: 3, inDoubt: 2 });
  expect(late).toBe(
    "line 1,001 of a.txt was not stored: too late (nor were 2 more lines); 1,000 lines of this run are stored; " +
      "2 of the 3 lines not acknowledged had been sent, and may be there twice once sent again; to go on, repeat the command with --resume 1001-",
  );
  const alone = told(new DeliveryTimedOut("too late", 2, null), { acknowledged: 0, inDoubt: 1 });
  expect(alone).toContain("; line 1,001 of a.txt had been sent, and may be there twice once sent again; to go on");
  expect(told(new DeliveryTimedOut("too late", 2, null), { failed: 2, inDoubt: 2 })).toContain(
    "; the 2 lines not acknowledged had been sent",
  );
  expect(
    [new DeliveryTimedOut("", 0, null), new DeliveryTimedOut("", 1, null), new BadLine(""), new Error("socket")].map(isInDoubt),
  ).toEqual([false, true, false, true]);
});

test("a refusal of all that was sent together says so, and a followed file goes on by its position", () => {
  const refused = new KafkaProtocolError("INVALID_TIMESTAMP", "producing");
  expect(told(refused, { goOn: { kind: "position-file", path: "p" } })).toMatch(
    /^line 1,001 of a.txt, or a line that was sent together with it, was not stored: .*; p has where the next run goes on$/,
  );
  expect(told(new BadLine("is bad"), { goOn: { kind: "unknown" } })).toMatch(
    /with --position-file, a later run would go on there; --skip-bad leaves/,
  );
});

test("what a signal ends says where, and how to go on", () => {
  const goOn = { kind: "lines", text: "8-" } as const;
  expect(whereStopped("a.txt", 7, goOn)).toBe(
    "stopped after line 7 of a.txt, before its end; to go on without duplicates, repeat the command with --resume 8-",
  );
  expect(whyAbandoned("a.txt", { failed: 2, inDoubt: 2 }, { kind: "lines", text: "6-" })).toBe(
    "ended at once; the 2 lines not acknowledged had been sent, and may be there twice once sent again; " +
      "to go on, repeat the command with --resume 6-",
  );
});
