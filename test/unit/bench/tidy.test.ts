import { expect, test } from "vitest";
import { Tidy } from "../../bench/tidy.ts";

test("the last added ends first, all of them even if one fails, and each once", async () => {
  const tidy = new Tidy();
  const ended: string[] = [];
  tidy.add(async () => ended.push("first"));
  tidy.add(async () => {
    ended.push("second");
    throw new Error("cannot end");
  });
  tidy.add(async () => ended.push("third"));
  await expect(tidy.all()).rejects.toThrow("cannot end");
  await tidy.all();
  expect(ended).toEqual(["third", "second", "first"]);
});

test("what was only starting is ended when it has started; a start that failed needs no end", async () => {
  const tidy = new Tidy();
  const ended: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const started = tidy.starting(promise, async (name) => ended.push(name));
  const failing = tidy.starting(Promise.reject(new Error("no")), async () => ended.push("never"));
  await expect(failing).rejects.toThrow("no");
  const all = tidy.all();
  resolve("cluster");
  await all;
  expect(await started).toBe("cluster");
  expect(ended).toEqual(["cluster"]);
});
