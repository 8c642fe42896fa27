export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** By the name of the series. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

const sampleLine = /^[a-zA-Z_:][\w:]*(?:\{(.*)\})? (\S+)(?: -?\d+)?$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Series of these names in the text format of Prometheus. What is not one is passed over: the text is from outside. */
export function parseMetrics(text: string, wanted: ReadonlySet<string>): Samples {
  const samples = new Map<string, Sample[]>();
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const line = text.slice(from, end < 0 ? text.length : end);
    from = end < 0 ? text.length : end + 1;
    const name = /^[\w:]*/.exec(line)?.[0] ?? "";
    if (!wanted.has(name)) continue;
    const [, labels = "", value = ""] = sampleLine.exec(line) ?? [];
    const number = value === "" ? Number.NaN : numberOf(value);
    if (Number.isNaN(number)) continue;
    const found = samples.get(name) ?? [];
    samples.set(name, found);
    found.push({ labels: labelsOf(labels), value: number });
  }
  return samples;
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  if (text === "") return {};
  return Object.fromEntries([...text.matchAll(label)].map(([, name = "", value = ""]) => [name, unescaped(value)]));
}

function unescaped(value: string): string {
  return value.includes("\\") ? value.replaceAll(/\\(.)/g, (_, sign: string) => (sign === "n" ? "\n" : sign)) : value;
}

function numberOf(text: string): number {
  return text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
}

/** Over all series of that name; null: there are none. */
export function sumOf(samples: Samples, name: string): number | null {
  const found = samples.get(name);
  return found === undefined ? null : found.reduce((sum, { value }) => sum + value, 0);
}

/** By the value of a label. */
export function byLabel(samples: Samples, name: string, by: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of samples.get(name) ?? []) {
    const key = labels[by] ?? "";
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}
