import { resolve } from "node:path";
import { type FileSystem, parseSegmentFileName, segmentFileName } from "../../../broker/disk-format.ts";
import { CommandFailed, explain } from "../../output/command-failed.ts";
import type { Output } from "../../output/output.ts";
import type { Progress } from "../../output/progress.ts";
import { printable } from "../../output/terminal-text.ts";
import { formatBytes, formatCount } from "../../output/units.ts";
import { checkCheckpoints, checkpointNames } from "./check-checkpoints.ts";
import { type FoundDirectory, findLogs, lockDirectory } from "./find-logs.ts";
import { type Finding, findingAsText, findingIn } from "./finding.ts";
import { type LogTotals, type LogToVerify, verifyLog } from "./verify-log.ts";

export interface LogVerifyOptions {
  /** Check the batches' contents, too. */
  readonly deep: boolean;
  /** Also when a broker runs on the directory. */
  readonly force: boolean;
  /** Topics whose logs may have gaps. */
  readonly compacted: readonly string[];
  /** Milliseconds. */
  readonly producerExpiration: number;
  readonly json: boolean;
}

export interface VerifyParts {
  readonly nowMs: number;
  readonly files: FileSystem;
  readonly output: Output;
  readonly progress: (what: string, total: number) => Progress;
}

/**
 * Checks all logs in these directories, a line for each; rejects with CommandFailed, naming the first problem, when there is any. Changes
 * nothing.
 */
export async function verifyDirectories(paths: readonly string[], options: LogVerifyOptions, parts: VerifyParts): Promise<void> {
  const unlocks: (() => Promise<void>)[] = [];
  const report = new Report(parts.output, options.json);
  try {
    const directories: FoundDirectory[] = [];
    for (const path of new Set(paths.map((path) => resolve(path)))) {
      const found = await findLogs(parts.files, path, { compacted: new Set(options.compacted), tell: report.tell });
      directories.push(found);
      // two partitions of one directory share its lock
      if (directories.filter(({ root }) => root === found.root).length === 1)
        unlocks.push(await lockDirectory(parts.files, found.root, { force: options.force, tell: report.tell }));
    }
    await report.flush();
    await verifyAll(directories, options, parts, report);
  } finally {
    await report.flush();
    for (const unlock of unlocks) await unlock();
  }
  await report.end();
}

async function verifyAll(
  directories: readonly FoundDirectory[],
  { deep, producerExpiration }: LogVerifyOptions,
  { files, output, progress, nowMs }: VerifyParts,
  report: Report,
): Promise<void> {
  const all = directories.flatMap(({ root, logs }) => logs.map((log) => ({ root, log })));
  let total = 0;
  for (const { log } of all) total += await segmentBytes(files, log.folder);
  const bar = progress("verifying", total);
  const common = { deep, expiredBeforeMs: nowMs - producerExpiration, tell: report.tell, taken: () => report.flush() };
  let done = 0;
  try {
    for (const { root, log } of all) {
      if (output.closed.aborted) return;
      report.beginLog();
      const advanced = (bytes: number) => {
        done += bytes;
        bar.show(done, `${log.folder} ${formatBytes(done)} of ${formatBytes(total)}`);
      };
      try {
        const totals = await verifyLog(files, log, { ...common, advanced });
        for (const { name, reason } of checkCheckpoints(log.checkpointed, totals.endOffset))
          report.tell(findingIn(`${root}/${checkpointNames[name]}`, { offset: totals.endOffset, reason: `${nameOf(log)}: ${reason}` }));
        await report.endLog(log, totals);
      } catch (error) {
        // an unreadable folder does not keep us from checking the others
        report.tell(findingIn(log.folder, { reason: `it cannot be read: ${explain(error)}` }));
      }
    }
  } finally {
    bar.end();
  }
}

/** For the progress only: what cannot be read is reported later. */
async function segmentBytes(files: FileSystem, folder: string): Promise<number> {
  let sum = 0;
  for (const name of await files.list(folder).catch(() => [])) {
    const parsed = parseSegmentFileName(name);
    if (parsed?.kind === "log") sum += await files.size(`${folder}/${segmentFileName(parsed.baseOffset, "log")}`).catch(() => 0);
  }
  return sum;
}

function nameOf({ folder }: LogToVerify): string {
  return folder.slice(folder.lastIndexOf("/") + 1);
}

/** What is printed, in order, and the result in the end. */
class Report {
  readonly #output: Output;
  readonly #json: boolean;
  #lines: string[] = [];
  #first: Finding | null = null;
  #problems = 0;
  #notes = 0;
  #problemsBefore = 0;
  #totals = { logs: 0, segments: 0, batches: 0, records: 0, sizeInBytes: 0 };

  constructor(output: Output, json: boolean) {
    this.#output = output;
    this.#json = json;
  }

  readonly tell = (finding: Finding): void => {
    if (finding.kind === "problem") {
      this.#first ??= finding;
      this.#problems++;
    } else this.#notes++;
    this.#lines.push(
      this.#json ? JSON.stringify(finding) : `${finding.kind === "problem" ? "PROBLEM" : "note"}  ${findingAsText(finding)}`,
    );
  };

  beginLog(): void {
    this.#problemsBefore = this.#problems;
  }

  async endLog(log: LogToVerify, totals: LogTotals): Promise<void> {
    const problems = this.#problems - this.#problemsBefore;
    const before = this.#totals;
    this.#totals = {
      logs: before.logs + 1,
      segments: before.segments + totals.segments,
      batches: before.batches + totals.batches,
      records: before.records + totals.records,
      sizeInBytes: before.sizeInBytes + totals.sizeInBytes,
    };
    const { startOffset, endOffset } = totals;
    const verdict = problems === 0 ? "sound" : formatCount(problems, "PROBLEM");
    this.#lines.push(
      this.#json
        ? JSON.stringify({ kind: "log", log: nameOf(log), folder: log.folder, ...totals, problems })
        : `${nameOf(log)}  offsets ${startOffset} to ${endOffset}  ${counted(totals)}  ${verdict}`,
    );
    await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.#lines.splice(0);
    if (lines.length > 0) await this.#output.write(`${lines.map(printable).join("\n")}\n`);
  }

  async end(): Promise<void> {
    const { logs } = this.#totals;
    if (this.#json) this.#lines.push(JSON.stringify({ kind: "summary", ...this.#totals, problems: this.#problems, notes: this.#notes }));
    else if (this.#problems === 0) this.#lines.push(`${formatCount(logs, "log")}, ${counted(this.#totals)}: all sound`);
    await this.flush();
    if (this.#first === null) return;
    const more = this.#problems === 1 ? "" : ` (and ${formatCount(this.#problems - 1, "more problem")})`;
    throw new CommandFailed(`${findingAsText(this.#first)}${more}`);
  }
}

function counted({ segments, batches, records, sizeInBytes }: Pick<LogTotals, "segments" | "batches" | "records" | "sizeInBytes">): string {
  return [
    formatCount(segments, "segment"),
    formatCount(batches, "batch", "batches"),
    formatCount(records, "record"),
    formatBytes(sizeInBytes),
  ].join("  ");
}
