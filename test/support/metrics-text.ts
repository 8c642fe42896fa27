/** A scrape, as Prometheus understands it. Throws where a line is not what the format allows. */
export interface Scrape {
  /** By family. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;
const suffixes: Readonly<Record<string, readonly string[]>> = { histogram: ["_bucket", "_sum", "_count"], gauge: [""], counter: [""] };

/** `openmetrics`: the stricter one, with its end and its counters. */
export function parseScrape(text: string, format: "prometheus" | "openmetrics"): Scrape {
  const types = new Map<string, string>();
  const samples: { name: string; labels: Record<string, string>; value: number }[] = [];
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new Error("the text does not end with a line's end");
  if (format === "openmetrics" && lines.pop() !== "# EOF") throw new Error("OpenMetrics ends with # EOF");
  let family = "";
  const seen = new Set<string>();
  for (const line of lines) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === "HELP" && types.has(name)) throw new Error(`${name} comes twice`);
    if (word === "HELP") family = name;
    else if (word === "TYPE" && name === family) types.set(name, rest);
    else {
      const match = sampleLine.exec(line);
      if (match === null) throw new Error(`not a sample: ${line}`);
      const allowed = format === "openmetrics" && types.get(family) === "counter" ? ["_total"] : (suffixes[types.get(family) ?? ""] ?? []);
      if (!allowed.some((suffix) => match[1] === `${family}${suffix}`)) throw new Error(`${match[1]} is not of the family ${family}`);
      const series = line.slice(0, line.lastIndexOf(" "));
      if (seen.has(series)) throw new Error(`${series} comes twice`);
      seen.add(series);
      samples.push({ name: match[1] as string, labels: labelsOf(match[2] ?? ""), value: numberOf(match[3] as string) });
    }
  }
  return { types, samples };
}

function labelsOf(text: string): Record<string, string> {
  const found = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(found.map(([, name, value]) => [name, (value as string).replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))]));
}

function numberOf(text: string): number {
  const value = text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
  if (Number.isNaN(value)) throw new Error(`not a number: ${text}`);
  return value;
}

/** The sum of all series of that name that have these labels; null: there is none. */
export function seriesSum({ samples }: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number | null {
  const found = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
}
