/**
 * Something that `ottla log verify` reports about a file. A problem makes it fail; a note does not: leftovers, and what an unclean stop
 * leaves for the next start to repair.
 */
export interface Finding {
  readonly kind: "problem" | "note";
  readonly file: string;
  /** Bytes from the file's start. */
  readonly position: number | null;
  /** In a text file, from 1. */
  readonly line: number | null;
  /** Of the log, where one is concerned. */
  readonly offset: number | null;
  /** A sentence: what is wrong. */
  readonly reason: string;
}

/** Where in a file, and why; the caller knows which file it is. */
export interface Fault {
  readonly position?: number;
  readonly line?: number;
  readonly offset?: number;
  readonly reason: string;
  /** Absent: a problem. */
  readonly kind?: "problem" | "note";
}

export function findingIn(file: string, { position, line, offset, reason, kind = "problem" }: Fault): Finding {
  return { kind, file, position: position ?? null, line: line ?? null, offset: offset ?? null, reason };
}

/** `/data/t-0/….log, position 4711, offset 12: CRC-32C does not match the batch` */
export function findingAsText({ file, position, line, offset, reason }: Finding): string {
  const where = [
    ...(position === null ? [] : [`position ${position}`]),
    ...(line === null ? [] : [`line ${line}`]),
    ...(offset === null ? [] : [`offset ${offset}`]),
  ];
  return `${[file, ...where].join(", ")}: ${reason}`;
}

/** Collects the findings of one file's checks; of findings in large numbers only the first is passed on, with the number of the others. */
export class FaultsOfFile {
  readonly #file: string;
  readonly #tell: (finding: Finding) => void;
  readonly #shownMax: number;
  #problems = 0;
  #notes = 0;

  constructor(file: string, tell: (finding: Finding) => void, shownMax = 10) {
    this.#file = file;
    this.#tell = tell;
    this.#shownMax = shownMax;
  }

  get problems(): number {
    return this.#problems;
  }

  readonly add = (fault: Fault): void => {
    const count = fault.kind === "note" ? ++this.#notes : ++this.#problems;
    if (count <= this.#shownMax) this.#tell(findingIn(this.#file, fault));
  };

  /** To be called once, when the whole file was checked. */
  end(): void {
    for (const [kind, count] of [["problem", this.#problems] as const, ["note", this.#notes] as const]) {
      const hidden = count - this.#shownMax;
      if (hidden > 0) this.#tell(findingIn(this.#file, { kind, reason: `${hidden} more like these` }));
    }
  }
}
