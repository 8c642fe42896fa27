import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileFollower, type FollowOptions, followLimits } from "../../../cli/produce/file-follower.ts";
import { nodeFollowedFiles } from "../../../cli/produce/followed-files.ts";
import { type FilePosition, PositionFile } from "../../../cli/produce/position-file.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ottla-follow-"));
  path = join(folder, "access.log");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A follower at work; what it has found so far, all of it acknowledged unless `acknowledges` says otherwise. */
class Following {
  readonly lines: string[] = [];
  readonly follower: FileFollower;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(options: Partial<FollowOptions> = {}, acknowledges: (line: string) => boolean = () => true) {
    const all = { ...followLimits, path, resumeFrom: [], endsWithPartialLine: true, lineBytesMax: 1000, pollMs: 10, quietBeforeNextMs: 50 };
    this.follower = new FileFollower({ ...all, ...options }, nodeFollowedFiles, nodeClock, this.#stop.signal);
    this.#done = this.#run(acknowledges);
  }

  async #run(acknowledges: (line: string) => boolean): Promise<void> {
    for await (const { lines, stored } of this.follower.batches()) {
      for (const { bytes, endPosition } of lines) {
        this.lines.push(bytes.toString());
        stored?.sent(endPosition);
        if (acknowledges(bytes.toString())) stored?.acknowledged(endPosition);
      }
    }
  }

  has(...expected: readonly string[]): Promise<unknown> {
    return waitUntil(`lines ${expected}`, () => expected.every((line) => this.lines.includes(line)), { timeoutMs: 5000, pauseMs: 5 });
  }

  async stop(): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#done;
    return this.lines;
  }
}

test("a file that comes into being later is followed as it grows, whole lines only", async () => {
  const following = new Following();
  await writeFile(path, "one\ntw");
  await following.has("one");
  await appendFile(path, "o\nthr");
  await following.has("two");
  expect(following.lines).toEqual(["one", "two"]);
  expect(await following.stop()).toEqual(["one", "two", "thr"]);
});

test("when the file is renamed, what is written to it meanwhile comes before its successor's lines", async () => {
  await writeFile(path, "a1\n");
  const following = new Following({ quietBeforeNextMs: 300 });
  await following.has("a1");
  await rename(path, `${path}.1`);
  await writeFile(path, "b1\n");
  await appendFile(`${path}.1`, "a2\na3\n");
  await following.has("b1");
  await appendFile(path, "b2\n");
  await following.has("b2");
  expect(await following.stop()).toEqual(["a1", "a2", "a3", "b1", "b2"]);
});

test("a renamed file's late lines are not lost, nor its unfinished last one", async () => {
  await writeFile(path, "a1\n");
  const following = new Following({ quietBeforeRetiringMs: 400 });
  await following.has("a1");
  await rename(path, `${path}.1`);
  await writeFile(path, "b1\n");
  await following.has("b1");
  await appendFile(`${path}.1`, "a2\nunfinished");
  await following.has("a2", "unfinished");
  expect(await following.stop()).toEqual(["a1", "b1", "a2", "unfinished"]);
});

test("a file emptied in place is read from its beginning, even when it has grown beyond its old size", async () => {
  await writeFile(path, "old 1\nold 2\n");
  const following = new Following();
  await following.has("old 2");
  await truncate(path);
  await appendFile(path, "new 1\n");
  await following.has("new 1");
  await writeFile(path, "newer line 1\nnewer line 2\n"); // truncates and writes within one look, most likely
  await following.has("newer line 1", "newer line 2");
  expect(await following.stop()).toEqual(["old 1", "old 2", "new 1", "newer line 1", "newer line 2"]);
});

test("a run goes on where the acknowledgements of the last one ended, through a rotation", async () => {
  await writeFile(path, "1\n2\n3\n");
  const first = new Following({ endsWithPartialLine: false }, (line) => line !== "3");
  await first.has("3");
  await first.stop();
  const resumeFrom = first.follower.positions();
  expect(resumeFrom.map(({ position }) => position)).toEqual([4]);
  await appendFile(path, "4\n");
  await rename(path, `${path}.1`);
  await writeFile(path, "5\n");
  const second = new Following({ resumeFrom });
  await second.has("5");
  expect(await second.stop()).toEqual(["3", "4", "5"]);
});

test("an inode that another file has taken over is not taken for the old file", async () => {
  await writeFile(path, "1\n2\n");
  const first = new Following();
  await first.has("2");
  await first.stop();
  await writeFile(path, "other 1\nother 2\n"); // the same inode
  const second = new Following({ resumeFrom: first.follower.positions() });
  await second.has("other 2");
  expect(await second.stop()).toEqual(["other 1", "other 2"]);
});

test("what a position file says survives being written and read; anything else is refused", async () => {
  const file = new PositionFile(join(folder, "positions"));
  expect(await file.read()).toEqual([]);
  const positions: FilePosition[] = [{ identity: "1:2", position: 30, headCrc: 4_000_000_000, headBytes: 30 }];
  await file.write(positions);
  expect(await new PositionFile(join(folder, "positions")).read()).toEqual(positions);
  await writeFile(join(folder, "positions"), '{"version":1,"files":[{"identity":"1:2","position":-3}]}');
  await expect(file.read()).rejects.toThrow("is not a position file");
});

test("while lines of a rotated file are not acknowledged, it stays among the positions", async () => {
  await writeFile(path, "a1\n");
  const following = new Following({ quietBeforeRetiringMs: 60 }, (line) => line !== "a1");
  await following.has("a1");
  await rename(path, `${path}.1`);
  await writeFile(path, "b1\n");
  await following.has("b1");
  await waitUntil("the old file's retirement", () => following.follower.positions().length === 2);
  await following.stop();
  expect(following.follower.positions().map(({ position }) => position)).toEqual([0, 3]);
});
