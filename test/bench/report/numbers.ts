/** Three digits that count, thousands set apart. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size === 0) return "0";
  const decimals = size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(decimals);
}

/** A round number as it is. */
export function tickNumber(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 9 });
}
