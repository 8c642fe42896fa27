/**
 * Java's properties format, as `server.properties` has it: `key=value`, `key: value` or `key value`; `#` and `!` start a comment line; a
 * backslash at the end joins the next line; `\n`, `\t`, `\r`, `\f`, `\uXXXX` and `\` before any other character are escapes. A later line
 * for the same key wins.
 */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const keyEnd = endOfKey(line);
    const separator = /^[ \t\f]*[=:]?[ \t\f]*/.exec(line.slice(keyEnd));
    entries.set(unescaped(line.slice(0, keyEnd)), unescaped(line.slice(keyEnd + (separator?.[0].length ?? 0))));
  }
  return entries;
}

function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let joined: string | null = null;
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const stripped = natural.replace(/^[ \t\f]+/, "");
    // comments and blank lines count only where no line is being continued
    if (joined === null && (stripped === "" || stripped.startsWith("#") || stripped.startsWith("!"))) continue;
    const whole: string = (joined ?? "") + stripped;
    const continues = trailingBackslashes(stripped) % 2 === 1;
    if (continues) joined = whole.slice(0, -1);
    else {
      lines.push(whole);
      joined = null;
    }
  }
  if (joined !== null && joined !== "") lines.push(joined);
  return lines;
}

function trailingBackslashes(line: string): number {
  let count = 0;
  while (count < line.length && line[line.length - 1 - count] === "\\") count++;
  return count;
}

/** The first separator without a backslash before it. */
function endOfKey(line: string): number {
  for (let at = 0; at < line.length; at++) {
    const character = line[at] as string;
    if (character === "\\") at++;
    else if ("=: \t\f".includes(character)) return at;
  }
  return line.length;
}

const named: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", f: "\f" };

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.|$)/gs, (_whole, escaped: string) =>
    escaped.length === 5 ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16)) : (named[escaped] ?? escaped),
  );
}
