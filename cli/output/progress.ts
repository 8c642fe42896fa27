import { Presets, SingleBar } from "cli-progress";
import { barIsDrawn } from "./beside-bar.ts";

export interface Progress {
  /** `done`: of `total`, in the same unit; `note` is shown next to it. */
  show(done: number, note: string): void;
  end(): void;
}

/** Draws nothing. */
export const silent: Progress = { show: () => {}, end: () => {} };

/** A bar (or, without a total, a line) on standard error when that is a terminal; nothing otherwise. */
export function progress(what: string, total: number | null): Progress {
  if (!process.stderr.isTTY) return silent;
  const format = total === null ? `${what} {note}` : `${what} {bar} {percentage}% {note}`;
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: false, fps: 5 }, Presets.shades_classic);
  bar.start(total ?? 1, 0, { note: "" });
  barIsDrawn(true);
  const end = () => {
    bar.stop();
    barIsDrawn(false);
  };
  return { show: (done, note) => bar.update(done, { note }), end };
}
