/** `error`: something does not work now. `warning`: it may not tomorrow. `note`: good to know. */
export const severities = ["error", "warning", "note"] as const;
export type Severity = (typeof severities)[number];

export interface Finding {
  /** Which check found it: a name for programs, which does not change. */
  readonly check: string;
  readonly severity: Severity;
  /** One sentence without its stop. */
  readonly what: string;
  /** Everything that it is about: brokers, partitions, topics, groups. */
  readonly where: readonly string[];
  /** What follows from it. */
  readonly why: string;
  /** What mends it, or shows more: commands of ours, to be typed as they are. */
  readonly commands: readonly string[];
  /** What else there is to do, where no command does it; null: nothing. */
  readonly advice: string | null;
}

/** A check, or a part of one, that could not be made. */
export interface Unchecked {
  readonly what: string;
  readonly why: string;
}

export interface Checked {
  readonly findings: readonly Finding[];
  readonly unchecked: readonly Unchecked[];
}

export interface Told {
  readonly what: string;
  readonly where?: readonly string[];
  readonly why: string;
  readonly commands?: readonly string[];
  readonly advice?: string | null;
}

export function finding(check: string, severity: Severity, told: Told): Finding {
  return { where: [], commands: [], advice: null, ...told, check, severity };
}

/** One finding, or none where it would be about nothing. */
export function findingIf(check: string, severity: Severity, where: readonly string[], tell: (count: number) => Told): readonly Finding[] {
  return where.length === 0 ? [] : [finding(check, severity, { where, ...tell(where.length) })];
}

/** A name as it is typed in a shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
