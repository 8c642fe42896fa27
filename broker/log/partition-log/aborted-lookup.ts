import { rebuildAborted } from "../producers/aborted-files.ts";
import { readAborted } from "../producers/producer-files.ts";
import { AbortedIndexDamaged, type AbortedTransaction } from "../segment/aborted-index.ts";
import type { LogState } from "./log-state.ts";
import { undisturbed } from "./undisturbed.ts";

/**
 * The aborted transactions with records in [fromOffset, endOffset), in the order of their markers. Where `endOffset` is at most the last
 * stable offset, all of them have one. A marker is not below its records, so the search begins in the segment of the first offset; it ends
 * where every transaction that began below `endOffset` had ended. Where there are more than `max`, not all are returned.
 */
export function abortedWithin(
  state: LogState,
  fromOffset: number,
  endOffset: number,
  max = Number.POSITIVE_INFINITY,
): Promise<readonly AbortedTransaction[]> {
  return undisturbed(state, async () => {
    const found: AbortedTransaction[] = [];
    const { segments } = state;
    for (let i = state.segmentIndex(fromOffset); i < segments.length; i++) {
      if (segments[i]!.isWithoutAborted) continue;
      const aborted = await abortedIn(state, i, { fromOffset, endOffset, max });
      for (const entry of aborted) if (entry.firstOffset < endOffset) found.push(entry);
      if (found.length > max || (aborted.at(-1)?.lastStableOffset ?? -1) >= endOffset) break;
    }
    return found;
  });
}

interface Wanted {
  readonly fromOffset: number;
  readonly endOffset: number;
  readonly max: number;
}

/** Those with markers in one segment, up to the first that shows that no later one matters. */
async function abortedIn(state: LogState, at: number, { fromOffset, endOffset, max }: Wanted): Promise<readonly AbortedTransaction[]> {
  const { io, folder, segments } = state;
  const segment = segments[at]!;
  const attempt = async () => {
    const aborted: AbortedTransaction[] = [];
    await segment.visitAborted(fromOffset, io, (entry) => {
      aborted.push(entry);
      return entry.lastStableOffset < endOffset && aborted.length <= max;
    });
    return aborted;
  };
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof AbortedIndexDamaged)) throw error;
    io.logger.warn({ path: segment.logPath, damage: error.message }, "index of aborted transactions is damaged: reading them from the log");
  }
  const { baseOffset: fromBase } = segment;
  const bases = segments.slice(0, at + 1).map(({ baseOffset }) => baseOffset);
  const extent = { bases, fromBase, endOffset: segments[at + 1]?.baseOffset ?? state.writtenEndOffset };
  if (segment.growing === null) {
    await segment.rebuildAborted(() => rebuildAborted(io, folder, extent));
    return attempt();
  }
  // its file is written now: it is replaced once the segment is closed
  const all: AbortedTransaction[] = [];
  await readAborted(io, folder, extent, async (_, aborted) => void all.push(...aborted.filter(({ offset }) => offset >= fromOffset)));
  return all;
}
