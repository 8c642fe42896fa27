import type { Command, Option } from "commander";

/** The words of an unfinished command line, as the command would understand them. */
export interface CommandWords {
  readonly command: Command;
  /** Arguments before the word that is being typed. */
  readonly positional: readonly string[];
  /** Values of options by their long names, those of before that word. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Options without value that were given. */
  readonly flags: ReadonlySet<string>;
  /** The option whose value is being typed; null: it is no option's value. */
  readonly ofOption: Option | null;
  /** What of the value, or of the word, is there. */
  readonly typed: string;
  /** `--option=` where that is part of the word; else empty. */
  readonly before: string;
  /** After `--` there are no options. */
  readonly onlyArguments: boolean;
}

/** `words`: those after the program's name; the last one is being typed, and may be empty. */
export function understand(program: Command, words: readonly string[]): CommandWords {
  const reading = new Reading(program);
  for (const word of words.slice(0, -1)) reading.take(word);
  return reading.end(words.at(-1) ?? "");
}

class Reading {
  #command: Command;
  #valueOf: Option | null = null;
  #onlyArguments = false;
  readonly #positional: string[] = [];
  readonly #values = new Map<string, string[]>();
  readonly #flags = new Set<string>();

  constructor(program: Command) {
    this.#command = program;
  }

  take(word: string): void {
    if (this.#valueOf !== null && !(this.#valueOf.variadic && word.startsWith("-"))) return this.#valueFor(this.#valueOf, word);
    this.#valueOf = null;
    if (!this.#onlyArguments && word === "--") this.#onlyArguments = true;
    else if (!this.#onlyArguments && word.startsWith("-") && word !== "-") this.#option(word);
    else {
      const below = this.#positional.length === 0 ? this.#command.commands.find((command) => command.name() === word) : undefined;
      if (below === undefined) this.#positional.push(word);
      else this.#command = below;
    }
  }

  end(typed: string): CommandWords {
    const common = {
      command: this.#command,
      positional: this.#positional,
      values: this.#values,
      flags: this.#flags,
      onlyArguments: this.#onlyArguments,
    };
    if (this.#valueOf !== null && !(this.#valueOf.variadic && typed.startsWith("-")))
      return { ...common, ofOption: this.#valueOf, typed, before: "" };
    const [, name = "", value = ""] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
    const option = this.#onlyArguments ? undefined : this.#find(name);
    if (option === undefined || !takesValue(option)) return { ...common, ofOption: null, typed, before: "" };
    return { ...common, ofOption: option, typed: value, before: `${name}=` };
  }

  #option(word: string): void {
    const [, name = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const option = this.#find(name);
    if (option === undefined) return;
    if (!takesValue(option)) this.#flags.add(option.long ?? option.flags);
    else if (value === undefined) this.#valueOf = option;
    else this.#valueFor(option, value);
  }

  #find(name: string): Option | undefined {
    return this.#command.options.find(({ long, short }) => name !== "" && (long === name || short === name));
  }

  #valueFor(option: Option, value: string): void {
    const name = option.long ?? option.flags;
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
    if (!option.variadic) this.#valueOf = null;
  }
}

export function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}
