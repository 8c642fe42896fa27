import type { Clock } from "../../protocol/base/clock.ts";
import { AcknowledgedPosition } from "./acknowledged-position.ts";
import { type FollowLimits, type FollowView, nextFollowStep } from "./follow-step.ts";
import type { FollowedFile, FollowedFiles } from "./followed-files.ts";
import type { LineBatch, LineSource } from "./line-source.ts";
import { LineSplitter, type SplitLine } from "./line-splitter.ts";
import { type FilePosition, headBytesMax, headCrc } from "./position-file.ts";

export interface FollowOptions extends FollowLimits {
  readonly path: string;
  /** How far earlier runs got, oldest file first. */
  readonly resumeFrom: readonly FilePosition[];
  /** At the end, what is left without a line feed is a line, too. Not when a later run is to continue with it. */
  readonly endsWithPartialLine: boolean;
  readonly lineBytesMax: number;
  /** How often to check when nothing notifies of a change. */
  readonly pollMs: number;
}

export const followLimits: FollowLimits & Pick<FollowOptions, "pollMs"> = {
  quietBeforeNextMs: 500,
  quietBeforeRetiringMs: 10_000,
  filesMax: 16,
  pollMs: 200,
};

const readBytesMax = 256 * 1024;

/** A file that is, or was, at the path. */
interface Generation {
  readonly file: FollowedFile;
  splitter: LineSplitter;
  stored: AcknowledgedPosition;
  /** How far it was read; its size and when that last changed, at the last check. */
  positionBytes: number;
  sizeBytes: number;
  changedAtMs: number;
  /** Its first bytes, up to `headBytesMax`, of those that were read. */
  head: Buffer;
  headChanged: boolean;
  /** Checked after we were asked to stop: what is written later is not waited for, it might never end. */
  lastLookDone: boolean;
}

/**
 * The lines of a growing file, across its rotation by renaming or by emptying it in place, even if it does not exist yet. Ends when `stop`
 * aborts, at the ends of the files at that time.
 */
export class FileFollower implements LineSource {
  readonly #files: FollowedFiles;
  readonly #clock: Clock;
  readonly #options: FollowOptions;
  readonly #stop: AbortSignal;
  #generations: Generation[] = [];
  /** No longer followed, but with lines that are not stored yet. */
  #retired: Generation[] = [];
  #wake: () => void = () => {};
  #mayHaveChanged = false;

  constructor(options: FollowOptions, files: FollowedFiles, clock: Clock, stop: AbortSignal) {
    this.#options = options;
    this.#files = files;
    this.#clock = clock;
    this.#stop = stop;
  }

  /** How far the lines are stored, for a later run; oldest file first. */
  positions(): FilePosition[] {
    this.#retired = this.#retired.filter(({ stored }) => stored.underWay > 0);
    return [...this.#retired, ...this.#generations].map(({ file, stored, head }) => {
      // only what was stored is sure to have been read when we continue
      const known = head.subarray(0, stored.position);
      return { identity: file.identity, position: stored.position, headCrc: headCrc(known), headBytes: known.length };
    });
  }

  async *batches(): AsyncGenerator<LineBatch> {
    const onChange = () => {
      this.#mayHaveChanged = true;
      this.#wake();
    };
    const endWatch = this.#files.watch(this.#options.path, onChange);
    this.#stop.addEventListener("abort", onChange, { once: true });
    try {
      await this.#resume();
      for (;;) {
        this.#mayHaveChanged = false;
        const step = nextFollowStep(await this.#look(), this.#options);
        if (step.kind === "end") break;
        if (step.kind === "wait") await this.#untilChange();
        else if (step.kind === "open") await this.#openNext();
        else if (step.kind === "retire") yield* this.#retireOldest();
        else if (step.kind === "restart") yield* this.#restart(this.#generations[step.index]!);
        else yield* this.#read(this.#generations[step.index]!);
      }
      if (this.#options.endsWithPartialLine) for (const generation of this.#generations) yield* lastLine(generation);
    } finally {
      endWatch();
      this.#stop.removeEventListener("abort", onChange);
      for (const { file } of this.#generations) await file.close();
    }
  }

  async #look(): Promise<FollowView> {
    const stopping = this.#stop.aborted;
    for (const generation of this.#generations) await this.#observe(generation, stopping);
    const atPath = await this.#files.identityAt(this.#options.path);
    const nowMs = this.#clock.monotonicMs();
    return {
      files: this.#generations.map((generation) => ({ ...generation, quietForMs: nowMs - generation.changedAtMs })),
      newFileAtPath: atPath !== null && !this.#generations.some(({ file }) => file.identity === atPath),
      stopping,
    };
  }

  async #observe(generation: Generation, stopping: boolean): Promise<void> {
    if (generation.lastLookDone) return;
    generation.lastLookDone = stopping;
    const sizeBytes = await generation.file.size();
    if (sizeBytes === generation.sizeBytes) return;
    generation.sizeBytes = sizeBytes;
    generation.changedAtMs = this.#clock.monotonicMs();
    const now = await readExactly(generation.file, generation.head.length, 0);
    generation.headChanged = !now.equals(generation.head);
  }

  async *#read(generation: Generation): AsyncGenerator<LineBatch> {
    const { positionBytes, sizeBytes, file, splitter } = generation;
    const chunk = await readExactly(file, Math.min(sizeBytes - positionBytes, readBytesMax), positionBytes);
    if (chunk.length === 0) {
      // emptied meanwhile: check again
      generation.sizeBytes = -1;
      generation.lastLookDone = false;
      return;
    }
    if (generation.head.length < headBytesMax) {
      generation.head = Buffer.concat([generation.head, chunk.subarray(0, headBytesMax - generation.head.length)]);
    }
    generation.positionBytes += chunk.length;
    yield* batchOf(generation, splitter.push(chunk));
  }

  async *#restart(generation: Generation): AsyncGenerator<LineBatch> {
    yield* lastLine(generation);
    this.#begin(generation);
  }

  async *#retireOldest(): AsyncGenerator<LineBatch> {
    const oldest = this.#generations[0]!;
    yield* lastLine(oldest);
    this.#generations.shift();
    this.#retired.push(oldest);
    await oldest.file.close();
  }

  /** Continues where an earlier run ended, also in files that rotation has renamed. */
  async #resume(): Promise<void> {
    const { resumeFrom, path } = this.#options;
    if (resumeFrom.length === 0) return;
    const relatives = await this.#files.relatives(path);
    for (const saved of resumeFrom) {
      const found = relatives.find(({ identity }) => identity === saved.identity);
      const file = found === undefined ? null : await this.#files.open(found.path);
      if (file === null) continue;
      const head = await readExactly(file, saved.headBytes, 0);
      const isTheSame = file.identity === saved.identity && head.length === saved.headBytes && headCrc(head) === saved.headCrc;
      if (isTheSame && (await file.size()) >= saved.position) this.#add(file, saved.position, head);
      else await file.close(); // another file in its place: the file at the path is read from its beginning
    }
  }

  async #openNext(): Promise<void> {
    const file = await this.#files.open(this.#options.path);
    if (file === null) return;
    if (this.#generations.some((other) => other.file.identity === file.identity)) await file.close();
    else this.#add(file, 0, Buffer.alloc(0));
  }

  #add(file: FollowedFile, position: number, head: Buffer): void {
    const generation = {
      file,
      head,
      splitter: new LineSplitter({ lineBytesMax: this.#options.lineBytesMax, position }),
      stored: new AcknowledgedPosition(position),
      positionBytes: position,
      sizeBytes: position,
      changedAtMs: this.#clock.monotonicMs(),
      headChanged: false,
      lastLookDone: false,
    };
    // the time in which its writers may still notice the rotation begins now
    const previous = this.#generations.at(-1);
    if (previous !== undefined) previous.changedAtMs = generation.changedAtMs;
    this.#generations.push(generation);
  }

  /** The file's life starts over; what was sent from its earlier one no longer counts. */
  #begin(generation: Generation): void {
    generation.splitter = new LineSplitter({ lineBytesMax: this.#options.lineBytesMax });
    generation.stored = new AcknowledgedPosition();
    generation.positionBytes = 0;
    generation.sizeBytes = 0;
    generation.head = Buffer.alloc(0);
    generation.headChanged = false;
    generation.lastLookDone = false;
  }

  async #untilChange(): Promise<void> {
    if (this.#mayHaveChanged || this.#stop.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.schedule(this.#options.pollMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = () => {};
  }
}

function* batchOf({ stored }: Generation, lines: readonly SplitLine[]): Generator<LineBatch> {
  if (lines.length > 0) yield { lines, stored };
}

function* lastLine(generation: Generation): Generator<LineBatch> {
  const line = generation.splitter.finish();
  if (line !== null) yield* batchOf(generation, [line]);
}

async function readExactly(file: FollowedFile, length: number, position: number): Promise<Buffer> {
  const target = Buffer.allocUnsafe(length);
  return target.subarray(0, await file.read(target, position));
}
