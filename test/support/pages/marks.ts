/**
 * What a page says of a console block, in a comment directly before it, several with `;` between them:
 * `<!-- console: repeat; any order; varies: leader, isr -->`.
 */
export interface Marks {
  /** `not run: REASON`. Null: it is executed. */
  readonly notRun: string | null;
  /** `needs: PROGRAM`: it is executed where that is installed. */
  readonly needs: string | null;
  /** `repeat`: each command is repeated until it prints what is shown, for what settles within seconds. */
  readonly isRepeated: boolean;
  /** `any order`: lines may come in any order, as records of several partitions do. */
  readonly isUnordered: boolean;
  /** `varies: COLUMN, COLUMN`: what these columns of a table hold is not compared. */
  readonly varies: ReadonlySet<string>;
}

export const noMarks: Marks = { notRun: null, needs: null, isRepeated: false, isUnordered: false, varies: new Set() };

export function parseMarks(comment: string): Marks {
  let marks = noMarks;
  for (const part of comment.split(";").map((each) => each.trim())) {
    const [name = "", value = ""] = part.split(/:\s*/, 2);
    if (name === "not run" && value !== "") marks = { ...marks, notRun: value };
    else if (name === "needs" && value !== "") marks = { ...marks, needs: value };
    else if (part === "repeat") marks = { ...marks, isRepeated: true };
    else if (part === "any order") marks = { ...marks, isUnordered: true };
    else if (name === "varies" && value !== "") marks = { ...marks, varies: new Set(value.split(/,\s*/)) };
    else throw new Error(`no mark of console blocks: ${part}`);
  }
  return marks;
}
