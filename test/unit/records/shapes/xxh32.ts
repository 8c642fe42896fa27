const primes = [2654435761, 2246822519, 3266489917, 668265263, 374761393] as const;

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** XXH32 with seed 0, from its specification: the checksum of lz4 frames. */
export function xxh32(bytes: Buffer): number {
  const [p1, p2, p3, p4, p5] = primes;
  const round = (lane: number, at: number) => Math.imul(rotate((lane + Math.imul(bytes.readUInt32LE(at), p2)) | 0, 13), p1);
  let at = 0;
  let hash = p5 | 0;
  if (bytes.length >= 16) {
    let [a, b, c, d] = [(p1 + p2) | 0, p2 | 0, 0, -p1 | 0];
    for (; at + 16 <= bytes.length; at += 16) {
      a = round(a, at);
      b = round(b, at + 4);
      c = round(c, at + 8);
      d = round(d, at + 12);
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + bytes.length) | 0;
  for (; at + 4 <= bytes.length; at += 4) hash = Math.imul(rotate((hash + Math.imul(bytes.readUInt32LE(at), p3)) | 0, 17), p4);
  for (; at < bytes.length; at++) hash = Math.imul(rotate((hash + Math.imul(bytes[at] as number, p5)) | 0, 11), p1);
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
