import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { dumpFiles } from "../../../cli/offline/dump/dump-files.ts";
import { listStrays } from "../../../cli/offline/list-strays.ts";
import { Output } from "../../../cli/output/output.ts";
import { append, root, settingsWith, startStore, topicId } from "../log/log-fixture.ts";
import { verify } from "./log-verify/verify-fixture.ts";

async function printed(run: (output: Output) => Promise<void>): Promise<string> {
  let text = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  await run(new Output(sink));
  return text;
}

async function withStray() {
  const { store, files, disk } = await startStore();
  const log = await store.open("t", 0, topicId, settingsWith());
  for (let i = 0; i < 5; i++) await append(log, [`value ${i}`]);
  await log.advanceStartOffset(2);
  await store.setAside("t", 0, { topicId, highWatermark: 4 });
  await store.close();
  const [stray] = store.strays.all;
  return { files, disk, folder: `${root}/${stray?.name}` };
}

test("logs that were set aside are listed, with what a person needs to decide on them", async () => {
  const { files, folder } = await withStray();
  const text = await printed((output) => listStrays([root], { json: false }, files, output));
  expect(text).toMatch(/partition +topic id +set aside +committed to +size +folder/);
  expect(text).toContain(`t-0        ${topicId}  2023-11-14T22:13:20.000Z`);
  expect(text).toContain(folder);
  expect(text).toContain("1 log, ");
  const json = JSON.parse(await printed((output) => listStrays([root], { json: true }, files, output)));
  expect(json).toMatchObject({ folder, partition: "t-0", topicId, highWatermark: 4, setAsideMs: 1_700_000_000_000 });
  await files.remove(folder);
  expect(await printed((output) => listStrays([root], { json: false }, files, output))).toBe("no log was set aside\n");
  await expect(printed((output) => listStrays(["/nowhere"], { json: false }, files, output))).rejects.toThrow(/\/nowhere cannot be read/);
});

test("a log that was set aside is verified by what its note says, and told apart from those in use; a damaged note is a problem", async () => {
  const { files, disk, folder } = await withStray();
  const sound = await verify(files, [root]);
  expect(sound.problems).toEqual([]);
  expect(sound.findings).toMatchObject([{ kind: "note", file: folder, reason: expect.stringContaining("set aside") }]);
  expect(sound.lines[0]).toMatchObject({ kind: "log", endOffset: 5 });
  const dumped = await printed((output) =>
    dumpFiles([`${folder}/ottla-stray`], { records: false, values: false, groups: false, json: false }, files, output),
  );
  expect(dumped).toContain(`topic t  partition 0  topicId ${topicId}  recoveryPoint 5  startOffset 2  cleanedEndOffset 0  highWatermark 4`);
  disk.corrupt(`${folder}/ottla-stray`, (content) => Buffer.from(content.map((byte, at) => (at === 20 ? byte ^ 1 : byte))));
  const damaged = await verify(files, [root]);
  // where the log began was in the note, and is not known any more to the other checks either
  expect(damaged.problems[0]).toMatchObject({ file: `${folder}/ottla-stray` });
});
