export interface LineFormat {
  /** Ends the key, which begins the line. Null: lines have no key. */
  readonly keySeparator: Buffer | null;
  /** The value is the whole line, key and separator included. */
  readonly keepKey: boolean;
}

export interface KeyAndValue {
  readonly key: Buffer | null;
  readonly value: Buffer;
}

/** A line's key and value. A line without the separator is all value. */
export function recordOfLine(line: Buffer, { keySeparator, keepKey }: LineFormat): KeyAndValue {
  const at = keySeparator === null ? -1 : line.indexOf(keySeparator);
  if (keySeparator === null || at < 0) return { key: null, value: line };
  return { key: line.subarray(0, at), value: keepKey ? line : line.subarray(at + keySeparator.length) };
}
