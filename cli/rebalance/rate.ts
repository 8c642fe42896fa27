import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** `20MB/s`, `512KiB/s`, `1000000`: bytes a second. */
export function parseRate(text: string): number {
  const [, number = "", unit = "B"] = /^(\d{1,12}(?:\.\d+)?) ?([kmg]?i?b)?(?:\/s)?$/i.exec(text) ?? [];
  const rate = Number(number) * (units[unit.toLowerCase()] ?? Number.NaN);
  if (number === "" || !(rate >= 1 && rate <= Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError("it is bytes a second, as in 20MB/s or 512KiB/s.");
  return rate;
}
