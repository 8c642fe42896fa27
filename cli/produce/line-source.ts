import type { Readable } from "node:stream";
import type { AcknowledgedPosition } from "./acknowledged-position.ts";
import { LineSplitter, type SplitLine } from "./line-splitter.ts";

export interface LineBatch {
  readonly lines: readonly SplitLine[];
  /** Called for each line that is sent and acknowledged, if a later run is to continue from there. */
  readonly stored: AcknowledgedPosition | null;
}

/** Where `produce` takes its lines from. What it reads ahead is bounded: it reads on only when it is asked for more. */
export interface LineSource {
  batches(): AsyncIterable<LineBatch>;
  /** Nothing comes after what was handed out; not known where it is absent. */
  readonly isAtEnd?: boolean;
}

/**
 * The lines of a stream to its end, or until `stop` aborts. The last one may lack its line feed, unless the stream was left before its end.
 */
export function streamSource(input: Readable, { lineBytesMax }: { readonly lineBytesMax: number }, stop: AbortSignal): LineSource {
  let isAtEnd = false;
  return {
    get isAtEnd() {
      return isAtEnd;
    },
    async *batches() {
      const splitter = new LineSplitter({ lineBytesMax });
      const onStop = () => input.destroy();
      stop.addEventListener("abort", onStop, { once: true });
      try {
        if (stop.aborted) return;
        for await (const chunk of input) {
          const lines = splitter.push(chunk as Buffer);
          if (lines.length > 0) yield { lines, stored: null };
        }
        if (stop.aborted) return;
      } catch (error) {
        if (!stop.aborted) throw error;
        return;
      } finally {
        stop.removeEventListener("abort", onStop);
      }
      isAtEnd = true;
      const last = splitter.finish();
      if (last !== null) yield { lines: [last], stored: null };
    },
  };
}
