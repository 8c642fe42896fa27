import { expect, test } from "vitest";
import { commandsFor } from "../../../cli/commands/register-commands.ts";
import { complete, completionText, type FindValues } from "../../../cli/completion/candidates.ts";
import { ottlaProgram } from "../../../cli/program.ts";

/** Says what it was asked for, and for which words. */
const find: FindValues = async (kind, { typed, positional, values }) => [
  { value: `${typed}<${kind}>`, about: [...positional, ...[...values].flatMap(([name, all]) => [name, ...all])].join(" ") },
];

async function of(line: string, finding = find) {
  const words = line.split(" ").slice(1);
  return complete(ottlaProgram(await commandsFor(["complete", "--", ...words])), words, finding);
}
const valuesOf = async (line: string) => (await of(line)).candidates.map(({ value }) => value);

test("commands, and those below them, are what the definitions say; hidden ones are not offered", async () => {
  expect(await valuesOf("ottla to")).toEqual(["topic", "top"]);
  expect(await valuesOf("ottla ")).toEqual(expect.arrayContaining(["up", "down", "status", "consume", "profile", "man"]));
  expect(await valuesOf("ottla com")).toEqual(["completion"]);
  expect(await valuesOf("ottla topic de")).toEqual(["describe", "delete", "delete-records"]);
  expect(await valuesOf("ottla topic nonsense d")).toEqual([]);
});

test("options that were given are not offered again, unless they may be repeated", async () => {
  expect(await valuesOf("ottla topic create t --p")).toEqual(["--partitions", "--profile"]);
  expect(await valuesOf("ottla topic create t --partitions 3 --p")).toEqual(["--profile"]);
  expect(await valuesOf("ottla topic create t --json --j")).toEqual([]);
  expect(await valuesOf("ottla topic create t --config a=b --c")).toEqual(["--config"]);
  expect(await valuesOf("ottla topic describe -- --")).toEqual(["--<topic>"]);
});

test("values are of the kind that the definition names, wherever they stand", async () => {
  expect(await valuesOf("ottla produce o")).toEqual(["o<topic>"]);
  expect(await valuesOf("ottla topic describe o")).toEqual(["o<topic>"]);
  expect(await valuesOf("ottla group reset-offsets g --topic o")).toEqual(["o<topic>"]);
  expect(await valuesOf("ottla consume t --group g")).toEqual(["g<group>"]);
  expect(await valuesOf("ottla group describe ")).toEqual(["<group>"]);
  expect(await valuesOf("ottla profile use p")).toEqual(["p<profile>"]);
  expect(await valuesOf("ottla cluster alter --broker ")).toEqual(["<broker>"]);
  expect(await valuesOf("ottla consume t --partition ")).toEqual(["<partition>"]);
  expect(await valuesOf("ottla topic alter t --delete-config r")).toEqual(["r<changed-setting>"]);
  expect(await valuesOf("ottla produce t --codec z")).toEqual(["zstd"]);
  expect(await valuesOf("ottla produce t --codec=z"), "in one word").toEqual(["--codec=zstd"]);
  expect(await valuesOf("ottla topic create n"), "a new name is nobody's").toEqual([]);
  expect(await valuesOf("ottla produce t --timeout 1"), "a number is the user's").toEqual([]);
});

test("a setting is followed by = and no space, and then by what it takes", async () => {
  expect(await of("ottla topic alter t --config re")).toMatchObject({ kind: "open", candidates: [{ value: "re<setting>=" }] });
  expect(await of("ottla topic alter t --config=re")).toMatchObject({ kind: "open", candidates: [{ value: "--config=re<setting>=" }] });
  expect(await valuesOf("ottla topic alter t --config retention.ms=1")).toEqual([]);
});

test("files and folders are the shell's matter", async () => {
  expect((await of("ottla log dump ")).kind).toBe("files");
  expect((await of("ottla produce t --file ")).kind).toBe("files");
  expect((await of("ottla broker --config ")).kind).toBe("files");
  expect((await of("ottla up --data ")).kind).toBe("directories");
  expect((await of("ottla log verify a ")).kind).toBe("directories");
});

test("what is asked of the cluster depends on the words before", async () => {
  const { candidates } = await of("ottla topic alter orders --bootstrap b:1 --config ");
  expect(candidates[0]?.about).toBe("orders --bootstrap b:1");
});

test("one that was named already is not offered again; one with control characters never", async () => {
  const found: FindValues = async () => ["a", "b", "evil\n$(reboot)", "\u202eb"].map((value) => ({ value, about: "" }));
  const values = async (line: string) => (await of(line, found)).candidates.map(({ value }) => value);
  expect(await values("ottla topic delete ")).toEqual(["a", "b"]);
  expect(await values("ottla topic delete a ")).toEqual(["b"]);
});

test("a script gets the kind, then a candidate in each line, with what it is behind a tab", () => {
  const candidates = [
    { value: "a", about: "is\t1" },
    { value: "b", about: "" },
  ];
  expect(completionText({ kind: "words", candidates })).toBe("words\na\tis 1\nb\n");
});
