import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** `20MB/s`, `512KiB/s`, `1000000`: whole bytes a second. */
export function parseRate(text: string): number {
  const [, number = "", unit = "B"] = /^(\d{1,12}(?:\.\d+)?) ?([kmg]?i?b)?(?:\/s)?$/i.exec(text) ?? [];
  const rate = Math.floor(Number(number) * (units[unit.toLowerCase()] ?? Number.NaN));
  // the largest one is no limit at all
  if (number === "" || !(rate >= 1 && rate < Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError("it is bytes a second, as in 20MB/s or 512KiB/s.");
  return rate;
}

const shownUnits = [
  ["GiB", 2 ** 30],
  ["GB", 1e9],
  ["MiB", 2 ** 20],
  ["MB", 1e6],
  ["KiB", 2 ** 10],
  ["kB", 1e3],
] as const;

/** As somebody may have given it: in the largest unit of which it is a whole number, or else about. */
export function formatLimit(bytesPerSecond: number): string {
  const exact = shownUnits.find(([, bytes]) => bytesPerSecond % bytes === 0);
  if (exact !== undefined) return `${bytesPerSecond / exact[1]} ${exact[0]}/s`;
  const [unit, bytes] = shownUnits.find(([name, size]) => !name.includes("i") && bytesPerSecond >= size) ?? ["B", 1];
  return `${Number((bytesPerSecond / bytes).toPrecision(3))} ${unit}/s`;
}
