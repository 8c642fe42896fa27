import { InvalidArgumentError } from "commander";
import { printable, printableLines } from "./terminal-text.ts";

export interface RecordToFormat {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
  /** What the value means in this format; `value` is then its text. */
  readonly decoded?: { readonly format: ValueFormat; readonly value: unknown };
}

export const valueFormats = ["json", "msgpack"] as const;
export type ValueFormat = (typeof valueFormats)[number];

/** Appends the pieces of one record's output, including its line feed. Keys and values are passed on as the bytes they are. */
export type RecordFormat = (record: RecordToFormat, output: (Buffer | string)[]) => void;

/** What is written to a terminal. Elsewhere bytes are left as they are: in a pipe or a file nothing interprets them. */
export interface FormatSurroundings {
  readonly isTerminal: boolean;
}

/** A named format, or a template with `%k %v %p %o %T %t %h %%` and `\n \t \\`. */
export function parseRecordFormat(text: string, { isTerminal }: FormatSurroundings = { isTerminal: false }): RecordFormat {
  const named = namedFormats.get(text);
  // a template says exactly what to print
  if (named !== undefined)
    return isTerminal ? shownOnTerminal(named, text === "full" || text === "json" ? printable : printableLines) : named;
  if (!text.includes("%"))
    throw new InvalidArgumentError(`it is ${[...namedFormats.keys()].join(", ")}, or a template such as '%k\\t%v\\t%p\\t%o'.`);
  return templateFormat(text);
}

const empty = Buffer.alloc(0);

const namedFormats: ReadonlyMap<string, RecordFormat> = new Map<string, RecordFormat>([
  ["value", ({ value }, output) => output.push(value ?? empty, "\n")],
  ["key-value", ({ key, value }, output) => output.push(key ?? empty, "\t", value ?? empty, "\n")],
  ["json", (record, output) => output.push(JSON.stringify(recordAsJson(record)), "\n")],
  ["full", fullFormat],
]);

/** Control sequences in keys and values are shown, not executed by the terminal. */
function shownOnTerminal(format: RecordFormat, show: (text: string) => string): RecordFormat {
  return (record, output) => {
    const pieces: (Buffer | string)[] = [];
    format(record, pieces);
    const end = pieces.at(-1) === "\n" ? pieces.pop() : "";
    output.push(`${show(Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece))).toString())}${end}`);
  };
}

function fullFormat({ topic, partition, offset, timestampMs, key, value, headers }: RecordToFormat, output: (Buffer | string)[]): void {
  const when = timestampMs < 0 ? "no time" : isoTime(timestampMs);
  output.push(`${topic}-${partition}@${offset}  ${when}  `, key ?? "(no key)", "  ", value ?? "(null)");
  if (headers.length > 0) output.push("  ", formatHeaders(headers));
  output.push("\n");
}

type Piece = string | ((record: RecordToFormat) => Buffer | string);

const fields: Readonly<Record<string, Piece>> = {
  "%": "%",
  k: ({ key }) => key ?? empty,
  v: ({ value }) => value ?? empty,
  s: ({ value }) => value ?? empty, // as in kcat
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  T: ({ timestampMs }) => String(timestampMs),
  h: ({ headers }) => formatHeaders(headers),
};

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" };

/** Where an escape means a character, as in a template. */
export function parseEscapes(text: string): string {
  return text.replaceAll(/\\(.?)/gsu, (whole, name: string) => {
    const meant = escapes[name];
    if (meant === undefined) throw new InvalidArgumentError(`"${whole}" has no meaning; a backslash is \\\\.`);
    return meant;
  });
}

function templateFormat(text: string): RecordFormat {
  const pieces: Piece[] = [];
  for (const [part, kind, name = ""] of text.matchAll(/([%\\])(.?)|[^%\\]+/gsu)) {
    const piece = kind === undefined ? part : kind === "%" ? fields[name] : escapes[name];
    if (piece === undefined) throw new InvalidArgumentError(`"${part}" has no meaning; fields are %${Object.keys(fields).join(" %")}.`);
    pieces.push(piece);
  }
  if (!text.endsWith("\\n")) pieces.push("\n");
  return (record, output) => {
    for (const piece of pieces) output.push(typeof piece === "string" ? piece : piece(record));
  };
}

function formatHeaders(headers: RecordToFormat["headers"]): string {
  return headers.map(({ key, value }) => (value === null ? key : `${key}=${value.toString("utf8")}`)).join(",");
}

function isoTime(timestampMs: number): string {
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? String(timestampMs) : time.toISOString();
}

/** JSON holds text only: bytes that are not UTF-8 become `{"base64": …}`. */
export function bytesAsJson(bytes: Buffer | null): unknown {
  if (bytes === null) return null;
  try {
    return utf8.decode(bytes);
  } catch {
    return { base64: bytes.toString("base64") };
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** docs/records.md tells of each field; what `produce --input json` takes is the same. */
export function recordAsJson({ topic, partition, offset, timestampMs, key, value, headers, decoded }: RecordToFormat): unknown {
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key: bytesAsJson(key),
    ...(decoded === undefined ? { value: bytesAsJson(value) } : { value: decoded.value, valueFormat: decoded.format }),
    headers: headers.map((header) => ({ key: header.key, value: bytesAsJson(header.value) })),
  };
}
