/** So many that a codec does not see the same bytes again and again. */
const differentValues = 64;

/** Values of letters, all different, that compress about as well as text. */
export function sampleValues(sizeInBytes: number): readonly Buffer[] {
  return Array.from({ length: differentValues }, (_, seed) => sampleValue(sizeInBytes, seed));
}

function sampleValue(sizeInBytes: number, seed: number): Buffer {
  const value = Buffer.alloc(sizeInBytes);
  let state = seed + 1;
  for (let i = 0; i < sizeInBytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    value[i] = 97 + ((state >>> 16) % 16);
  }
  return value;
}
