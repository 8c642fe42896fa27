import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { CommandFailed } from "../../../cli/output/command-failed.ts";
import { Output } from "../../../cli/output/output.ts";

/** Fails each write with this error, later than `write` returns, as standard output does. */
function failing(code: string): Writable {
  const error = Object.assign(new Error(`${code}: of the device`), { code });
  return new Writable({ write: (_chunk, _encoding, done) => setImmediate(done, error) });
}

test("a failure that comes after the last write is told when all is flushed", async () => {
  const output = new Output(failing("ENOSPC"));
  await output.line("short");
  await expect(output.flushed()).rejects.toThrow(new CommandFailed("standard output cannot be written: ENOSPC: of the device"));
  expect(output.closed.aborted).toBe(true);
  await expect(output.line("more")).rejects.toThrow(CommandFailed);
});

test("a failure of what others wrote is told too", async () => {
  const stream = failing("EIO");
  const output = new Output(stream);
  stream.write("help");
  await expect(output.flushed()).rejects.toThrow("EIO");
});

test("a reader that is gone is no failure", async () => {
  const output = new Output(failing("EPIPE"));
  await output.line("short");
  await output.flushed();
  expect(output.closed.aborted).toBe(true);
  await output.line("more");
});

test("flushing waits for a slow reader", async () => {
  const taken: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      setImmediate(() => {
        taken.push(String(chunk));
        done();
      });
    },
  });
  const output = new Output(stream);
  await output.line("one");
  await output.line("two");
  await output.flushed();
  expect(taken.join("")).toBe("one\ntwo\n");
});
