import { Writable } from "node:stream";
import type { FileSystem } from "../../../../broker/runtime/files.ts";
import type { Finding } from "../../../../cli/offline/verify/finding.ts";
import { type LogVerifyOptions, verifyDirectories } from "../../../../cli/offline/verify/verify-command.ts";
import { UsageError } from "../../../../cli/output/command-failed.ts";
import { Output } from "../../../../cli/output/output.ts";

export interface Verified {
  readonly findings: readonly Finding[];
  readonly problems: readonly Finding[];
  /** What was printed, as JSON, but for the findings. */
  readonly lines: readonly Record<string, unknown>[];
  readonly failure: string | null;
  /** The failure is of the command's use (exit code 2), not of the logs (1). */
  readonly usedWrongly: boolean;
}

/** Runs `ottla log verify --json` in this process. */
export async function verify(files: FileSystem, paths: readonly string[], options: Partial<LogVerifyOptions> = {}): Promise<Verified> {
  const { text, failure, usedWrongly } = await verifyAsText(files, paths, { json: true, ...options });
  const all = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const findings = all.filter(({ kind }) => kind === "problem" || kind === "note") as Finding[];
  return {
    findings,
    problems: findings.filter(({ kind }) => kind === "problem"),
    lines: all.filter((line) => !findings.includes(line)),
    failure,
    usedWrongly,
  };
}

export async function verifyAsText(
  files: FileSystem,
  paths: readonly string[],
  options: Partial<LogVerifyOptions> = {},
): Promise<{ readonly text: string; readonly failure: string | null; readonly usedWrongly: boolean }> {
  let text = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const output = new Output(sink);
  const progress = () => ({ show: () => {}, end: () => {} });
  const all = { deep: true, force: false, compacted: [], producerExpiration: 0, json: false, ...options };
  const failure = await verifyDirectories(paths, all, { files, output, progress, nowMs: 1_700_000_000_000 }).then(
    () => null,
    (error: Error) => error,
  );
  return { text, failure: failure?.message ?? null, usedWrongly: failure instanceof UsageError };
}
