/** The least that replication takes: a frame is its length and its number, four bytes each, and records. An answer is its number. */
export const frameHeaderBytes = 8;

export interface FloorOrder {
  readonly port: number;
  readonly recordBytes: number;
  /** Of records in one frame, as in a producer's batch. */
  readonly frameBytes: number;
  /** Sent and not acknowledged, at most. */
  readonly framesUnderWay: number;
  readonly discardedSeconds: number;
  readonly measuredSeconds: number;
}

/** Walks over whole frames; answers what is left. */
export function takeFrames(bytes: Buffer, take: (number: number, frame: Buffer) => void): Buffer {
  let at = 0;
  while (at + frameHeaderBytes <= bytes.length) {
    const end = at + frameHeaderBytes + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    take(bytes.readUInt32BE(at + 4), bytes.subarray(at, end));
    at = end;
  }
  return bytes.subarray(at);
}
