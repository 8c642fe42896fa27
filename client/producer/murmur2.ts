/**
 * MurmurHash2 (Austin Appleby, public domain), 32 bits, with the seed that Kafka's Java client uses: the same keys go to the same
 * partitions. A signed number, as in Java.
 */
export function murmur2(bytes: Uint8Array): number {
  const multiplier = 0x5bd1e995;
  const seed = 0x9747b28c;
  const length = bytes.length;
  const at = (index: number) => bytes[index] as number;
  let hash = (seed ^ length) | 0;
  const wholeBytes = length & ~3;
  for (let i = 0; i < wholeBytes; i += 4) {
    let word = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    word = Math.imul(word, multiplier);
    word ^= word >>> 24;
    word = Math.imul(word, multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  const rest = length - wholeBytes;
  if (rest === 3) hash ^= at(wholeBytes + 2) << 16;
  if (rest >= 2) hash ^= at(wholeBytes + 1) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ at(wholeBytes), multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return hash ^ (hash >>> 15);
}

/** The partition of a key, as Kafka's Java client chooses it: the hash without its sign bit, modulo the number of partitions. */
export function partitionOfKey(key: Uint8Array, partitionsCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionsCount;
}
