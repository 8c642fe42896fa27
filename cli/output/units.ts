const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < binaryUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${binaryUnits[unit]}`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const ageUnits = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
] as const;

/** The two largest units, without spaces, so that it is one field for `awk`: `3d4h`, `2m20s`, `0s`. */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const at = ageUnits.findIndex(([unitSeconds]) => seconds >= unitSeconds);
  if (at < 0) return "0s";
  const [largest, next] = [ageUnits[at], ageUnits[at + 1]];
  if (largest === undefined || next === undefined) return `${seconds}s`;
  const rest = Math.floor((seconds % largest[0]) / next[0]);
  return `${Math.floor(seconds / largest[0])}${largest[1]}${rest === 0 ? "" : `${rest}${next[1]}`}`;
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** Per second: whole from ten on. */
export function formatRate(perSecond: number): string {
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en");
}

/** How many in a second, of so many in that time. */
export function formatPerSecond(count: number, durationMs: number): string {
  return Math.round(count / (Math.max(durationMs, 1) / 1000)).toLocaleString("en");
}

/** Of a topic: `6 partitions, 3 copies each`. */
export function formatTopicSize(partitions: number, copies: number): string {
  return `${formatCount(partitions, "partition")}, ${formatCount(copies, "copy", "copies")} each`;
}

/** The time of day on this machine: `12:03:20`. */
export function formatTime(timestampMs: number): string {
  const time = new Date(timestampMs);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
