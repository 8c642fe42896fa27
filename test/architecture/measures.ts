// Measures of a source as the formatter leaves it: a block ends at the first line with its indentation and a closing brace.

export interface Measured {
  readonly name: string;
  /** Lines of a function, collaborators of a class. */
  readonly size: number;
}

/** What looks like the head of a function and is none. */
const noName = "(?:if|for|while|switch|catch|return|await|new|describe|test|it|suite|(?:before|after)(?:All|Each))\\b";
const modifiers = "(?:static |private |override |async |get |set |\\*)*";
const functionStart = new RegExp(
  `^(\\s*)(?:export )?(?:async )?(?:function\\*? ([\\w$]+)|${modifiers}(?!${noName})(#?[\\w$]+)(?:<[^(]*>)?\\().*$`,
);

/** Functions and methods with a name, and the functions that constants hold. */
export function functionsOf(text: string): Measured[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const start = functionStart.exec(line) ?? /^(\s*)(?:export )?const (\w+)() = (?:async )?\(.*$/.exec(line);
    if (start === null || /^\s*(\/\/|\*)/.test(line)) return [];
    const indent = start[1] as string;
    const opens = bodyOf(lines, at, indent);
    if (opens === null) return [];
    const end = lines.findIndex((one, i) => i > opens && (one.startsWith(`${indent}}`) || one.startsWith(`${indent})`)));
    return end < 0 ? [] : [{ name: start[2] || start[3] || "", size: end - at + 1 }];
  });
}

/** The line on which the body of the function that begins at `at` opens: its own, or that of the closing bracket of its arguments. */
function bodyOf(lines: readonly string[], at: number, indent: string): number | null {
  const line = lines[at] as string;
  if (line.endsWith("{")) return at;
  if (!line.endsWith("(")) return null;
  for (let i = at + 1; i < lines.length; i++) {
    const one = lines[i] as string;
    if (one.startsWith(`${indent})`)) return one.endsWith("{") ? i : null;
  }
  return null;
}

/** Members of the interfaces that the file declares, by name; those that it extends in the same file count too. */
export function interfacesOf(text: string): Map<string, number> {
  const own = new Map<string, { readonly members: number; readonly base: string | undefined }>();
  for (const [, name, base, body] of text.matchAll(
    /^(?:export )?interface (\w+)(?:<[^{]*>)?(?: extends (\w+)[^{]*)? \{\n([\s\S]*?)^\}/gm,
  )) {
    const members = (body as string).split("\n").filter((line) => /^ {2}(?:readonly )?[\w$]+\??[:(<]/.test(line)).length;
    own.set(name as string, { members, base });
  }
  const count = (name: string): number => {
    const found = own.get(name);
    return found === undefined ? 0 : found.members + (found.base === undefined ? 0 : count(found.base));
  };
  return new Map([...own.keys()].map((name) => [name, count(name)]));
}

/** What the constructors of the file's classes are handed. */
export function collaboratorsOf(text: string): Measured[] {
  const bags = interfacesOf(text);
  return [...text.matchAll(/^(?:export )?(?:abstract )?class (\w+)[\s\S]*?^\}/gm)].flatMap(([body, name]) => {
    const found = /^ {2}constructor\(([\s\S]*?)\) \{$/m.exec(body as string) ?? /^ {2}constructor\((.*)\) \{\}$/m.exec(body as string);
    const types = [...(found?.[1] ?? "").matchAll(/(?:^|[,{(]\s*|\n\s*)(?:\{[^}]*\}|\w+)\??: (?:Readonly<)?(\w+)/g)].map(
      ([, type]) => type as string,
    );
    return [{ name: name as string, size: types.reduce((sum, type) => sum + Math.max(1, bags.get(type) ?? 1), 0) }];
  });
}
