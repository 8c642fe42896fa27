import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { explain } from "../../../cli/output/command-failed.ts";
import { warningText } from "../../../cli/output/complaints.ts";
import { Output } from "../../../cli/output/output.ts";
import { parseRecordFormat } from "../../../cli/output/record-format.ts";
import { table } from "../../../cli/output/table.ts";
import { printable, printableLines } from "../../../cli/output/terminal-text.ts";
import { formatAge } from "../../../cli/output/units.ts";

const evil = "evil\u001b]0;owned\u0007\u001b[2J\nfake  row\u009b31m\u202e\u{e0041}";

describe("text from outside", () => {
  test("is shown, not obeyed: controls, line ends and changes of direction are escaped as JSON has them, the rest is left alone", () => {
    expect(printable(evil)).toBe(String.raw`evil\u001b]0;owned\u0007\u001b[2J\nfake  row\u009b31m\u202e\udb40\udc41`);
    for (const text of ["orders", "straße 東京", "a\\b", ""]) expect(printable(text)).toBe(text);
    expect(printableLines("a\n\tb\r\u001bc")).toBe("a\n\tb\\r\\u001bc");
  });

  test("stays in its row and column of a table, and a long one widens no other row", () => {
    const long = "x".repeat(200);
    const lines = table(
      ["group", "n"],
      [
        [evil, 1],
        [long, 22],
        ["b", 3],
      ],
    ).split("\n");
    expect(lines).toHaveLength(5);
    expect(lines[1]).toBe(`${printable(evil).padEnd(64)}   1`);
    expect(lines[2]).toBe(`${long}  22`);
    expect(lines[3]).toBe(`${"b".padEnd(64)}   3`);
    expect(
      table(
        ["topic", "lag", "end"],
        [
          ["t", 5, "7"],
          ["longer", 10, "8"],
        ],
      ),
    ).toBe("topic   lag  end\nt         5  7\nlonger   10  8\n");
  });

  test("is one line of the output, and JSON that still says the same", async () => {
    const written: string[] = [];
    const output = new Output(
      new Writable({ write: (chunk, _encoding, done) => done(void written.push(String(chunk)) as unknown as null) }),
    );
    await output.line(`deleted ${evil}`);
    await output.json({ group: evil });
    expect(written[0]).toBe(`deleted ${printable(evil)}\n`);
    expect(written[1]).not.toMatch(/[\u007f-\u009f\u202e]/);
    expect(JSON.parse(written[1] ?? "")).toEqual({ group: evil });
  });

  test("warnings of the client are told with what they are about", () => {
    const error = new Error("lost", { cause: new Error("reset") });
    expect(warningText({ group: "g", partition: 3, err: error }, "not committed")).toBe(
      `group g, partition 3: not committed (${explain(error)})`,
    );
    expect(warningText({}, "so")).toBe("so");
  });
});

describe("records", () => {
  const record = {
    ...{ topic: "t", partition: 0, offset: 5, timestampMs: 0 },
    ...{
      key: Buffer.from("k\u001b[2J"),
      value: Buffer.from("a\n\u001b]0;x\u0007b"),
      headers: [{ key: "h\u009b", value: Buffer.from("\u202e") }],
    },
  };
  const written = (format: string, isTerminal: boolean) => {
    const pieces: (Buffer | string)[] = [];
    parseRecordFormat(format, { isTerminal })(record, pieces);
    return Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))).toString();
  };

  test("are the bytes they are in a pipe", () => {
    expect(written("value", false)).toBe("a\n\u001b]0;x\u0007b\n");
    expect(written("key-value", false)).toBe("k\u001b[2J\ta\n\u001b]0;x\u0007b\n");
    expect(written("full", false)).toContain("\u001b]0;x\u0007");
    expect(written("%v", true)).toBe("a\n\u001b]0;x\u0007b\n");
  });

  test("are shown on a terminal: values keep their lines, and what is one line stays one", () => {
    expect(written("value", true)).toBe("a\n\\u001b]0;x\\u0007b\n");
    expect(written("key-value", true)).toBe("k\\u001b[2J\ta\n\\u001b]0;x\\u0007b\n");
    expect(written("full", true)).toBe("t-0@5  1970-01-01T00:00:00.000Z  k\\u001b[2J  a\\n\\u001b]0;x\\u0007b  h\\u009b=\\u202e\n");
    expect(JSON.parse(written("json", true))).toMatchObject({ key: "k\u001b[2J", headers: [{ key: "h\u009b", value: "\u202e" }] });
    expect(written("json", true)).not.toMatch(/[\u0080-\u009f\u202e]/);
  });
});

test.each([
  [0, "0s"],
  [999, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [140_000, "2m20s"],
  [3_600_000, "1h"],
  [7_500_000, "2h5m"],
  [273_600_000, "3d4h"],
])("an age of %i ms is %s", (ms, text) => expect(formatAge(ms)).toBe(text));
