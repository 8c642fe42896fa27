import { type View, views } from "./cluster-reader.ts";
import { type Sorting, viewTables } from "./view-tables.ts";

/** What the person in front of the screen has chosen. */
export interface TopState {
  readonly view: View;
  readonly sorting: Readonly<Record<View, Sorting>>;
  /** Only rows whose name contains it. */
  readonly filter: string;
  /** Keys are letters of the filter. */
  readonly isTyping: boolean;
  readonly isPaused: boolean;
  readonly showsHelp: boolean;
  readonly hasEnded: boolean;
}

export interface Key {
  /** What was typed, where it is text. */
  readonly text: string;
  /** `up`, `tab`, `return`, …; of letters the letter. */
  readonly name: string;
  readonly ctrl: boolean;
}

const filterMax = 255;

export function firstState(view: View, sortedBy: string | null, filter: string): TopState {
  const usual = Object.fromEntries(views.map((each) => [each, viewTables[each].usualSorting])) as Record<View, Sorting>;
  const column = sortedBy === null ? -1 : viewTables[view].head.indexOf(sortedBy);
  const sorting = column < 0 ? usual : { ...usual, [view]: { column, isDescending: column > 0 } };
  return { view, sorting, filter, isTyping: false, isPaused: false, showsHelp: false, hasEnded: false };
}

/** After a key was pressed. One without a meaning changes nothing. */
export function pressed(state: TopState, key: Key): TopState {
  if (key.ctrl && (key.name === "c" || key.name === "d")) return { ...state, hasEnded: true };
  if (state.isTyping) return typed(state, key);
  if (state.showsHelp) return key.name === "q" ? { ...state, hasEnded: true } : { ...state, showsHelp: false };
  switch (key.text === "" ? key.name : key.text) {
    case "q":
      return { ...state, hasEnded: true };
    case "b":
    case "1":
      return { ...state, view: "brokers" };
    case "t":
    case "2":
      return { ...state, view: "topics" };
    case "g":
    case "3":
      return { ...state, view: "groups" };
    case "\t":
    case "tab":
      return { ...state, view: views[(views.indexOf(state.view) + 1) % views.length] ?? state.view };
    case "<":
    case ",":
    case "left":
      return sortedByNext(state, -1);
    case ">":
    case ".":
    case "s":
    case "right":
      return sortedByNext(state, 1);
    case "r":
      return withSorting(state, { ...state.sorting[state.view], isDescending: !state.sorting[state.view].isDescending });
    case "p":
    case " ":
      return { ...state, isPaused: !state.isPaused };
    case "/":
      return { ...state, isTyping: true };
    case "escape":
    case "\u001b":
      return { ...state, filter: "" };
    case "?":
    case "h":
      return { ...state, showsHelp: true };
    default:
      return state;
  }
}

function typed(state: TopState, { name, text }: Key): TopState {
  if (name === "return" || name === "enter") return { ...state, isTyping: false };
  if (name === "escape") return { ...state, isTyping: false, filter: "" };
  if (name === "backspace") return { ...state, filter: [...state.filter].slice(0, -1).join("") };
  // names have no control characters, nor have keys that are text
  if (text === "" || /\p{Cc}/u.test(text) || state.filter.length + text.length > filterMax) return state;
  return { ...state, filter: state.filter + text };
}

/** Numbers largest first, names by the alphabet: what one looks for is on top. */
function sortedByNext(state: TopState, step: 1 | -1): TopState {
  const { head } = viewTables[state.view];
  const column = (state.sorting[state.view].column + step + head.length) % head.length;
  return withSorting(state, { column, isDescending: column > 0 });
}

function withSorting(state: TopState, sorting: Sorting): TopState {
  return { ...state, sorting: { ...state.sorting, [state.view]: sorting } };
}
