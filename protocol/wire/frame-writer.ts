import { Writer } from "./writer.ts";

const prefixBytes = 4;

/** For a frame: a writer with room in front for the length of what follows. */
export function beginFrame(initialBytes?: number): Writer {
  const writer = new Writer(initialBytes);
  writer.int32(0);
  return writer;
}

/** The frame: its length, what was written since `beginFrame`, and `more` as it is. */
export function endFrame(writer: Writer, more: readonly Buffer[] = []): Buffer[] {
  const chunks = [...writer.chunks(), ...more];
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  (chunks[0] as Buffer).writeInt32BE(bytes - prefixBytes, 0);
  return chunks;
}
