import { InvalidArgumentError } from "commander";

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** ISO 8601 as in Kafka's tool (`P1DT2H30M`), or short: `90s`, `15m`, `2h`, `7d`. Milliseconds. */
export function parseDuration(text: string): number {
  const short = /^(\d{1,9})([smhdw])$/.exec(text);
  if (short !== null) return Number(short[1]) * (unitsMs[short[2] as string] as number);
  const iso = /^P(?=.)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,3})?)S)?)?$/.exec(text);
  if (iso === null) throw new InvalidArgumentError("it is a duration as in 90s, 15m, 2h, 7d, or P1DT2H30M.");
  const [weeks, days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number, number];
  return Math.round(weeks * 604_800_000 + days * 86_400_000 + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000);
}
