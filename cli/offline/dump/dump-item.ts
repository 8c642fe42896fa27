/** One item found in a file, in its JSON form, with the line for human readers. `damage` makes the command fail in the end. */
export type DumpItem =
  | { readonly kind: "batch" | "record" | "entry" | "summary"; readonly line: string; readonly json: Readonly<Record<string, unknown>> }
  /** `where`: "position 4711" or "line 3". */
  | { readonly kind: "damage"; readonly where: string; readonly reason: string };

export function entry(fields: Readonly<Record<string, string | number | boolean | null>>): DumpItem {
  return { kind: "entry", line: fieldsAsText(fields), json: fields };
}

export function damage(where: string, reason: string): DumpItem {
  return { kind: "damage", where, reason };
}

/** `offset 5  position 900` */
export function fieldsAsText(fields: Readonly<Record<string, string | number | boolean | null>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${value ?? "-"}`)
    .join("  ");
}

/** `position` is in bytes from the file's start. */
export const atPosition = (position: number): string => `position ${position}`;

export function timeText(timestampMs: number): string {
  const time = new Date(timestampMs);
  return timestampMs < 0 || Number.isNaN(time.getTime()) ? "-" : time.toISOString();
}
