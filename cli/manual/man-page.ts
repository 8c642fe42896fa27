import type { Command, Help, Option } from "commander";

/** The page of the command for `man`, from its own definitions. */
export function manPage(program: Command): string {
  const name = program.name();
  const lines = [
    `.TH ${text(name.toUpperCase())} 1 "" ${quoted(`${name} ${program.version() ?? ""}`)} "User Commands"`,
    // names of options are not torn apart, and texts are not stretched
    ".nh",
    ".ad l",
    ".SH NAME",
    `${text(name)} \\- ${text(withoutStop(program.description()))}`,
    ".SH SYNOPSIS",
    `.B ${text(name)}`,
    "\\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]",
    ".SH DESCRIPTION",
    text(program.description()),
    ".PP",
    text("Every command takes --help, which says the same as this page."),
    ".SH COMMANDS",
    ...leaves(program).flatMap(commandLines),
    ...surroundings.flatMap(({ title, items }) => [
      `.SH ${title}`,
      ...items.flatMap(([term, about]) => item(`\\fB${text(term)}\\fR`, about)),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

interface Section {
  readonly title: string;
  readonly items: readonly (readonly [string, string])[];
}

/** What is not in the definitions of commands. */
const surroundings: readonly Section[] = [
  {
    title: "EXIT STATUS",
    items: [
      ["0", "it was done"],
      ["1", "it was not, or not all of it; a line on standard error says why"],
      ["2", "the command was used wrongly"],
    ],
  },
  {
    title: "ENVIRONMENT",
    items: [
      [
        "OTTLA_BOOTSTRAP",
        "brokers to start from, host:port with commas between; --bootstrap and --profile come before it, the profile in use after it",
      ],
      ["XDG_CONFIG_HOME", "the folder of configuration instead of ~/.config"],
      ["XDG_CACHE_HOME", "the folder of what can be made anew instead of ~/.cache"],
      ["OTTLA_DEBUG", "when set, errors that nobody expected are printed with where they come from"],
    ],
  },
  {
    title: "FILES",
    items: [
      ["~/.config/ottla/profiles.json", "the profiles, see `ottla profile`; readable by its owner alone"],
      [".ottla/", "the cluster that `ottla up` runs: its ZooKeeper, and for each broker its settings, log and data"],
    ],
  },
];

/** Those that do something, in the order of the help. */
function leaves(command: Command): readonly Command[] {
  const below = visibleBelow(command);
  return below.length === 0 ? [command] : below.flatMap(leaves);
}

function visibleBelow(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help");
}

function commandLines(command: Command): string[] {
  const help = command.createHelp();
  const usage = help.commandUsage(command);
  const argumentLines = help
    .visibleArguments(command)
    .filter(({ description }) => description !== "")
    .flatMap((argument) => item(`\\fI${text(argument.name())}\\fR`, help.argumentDescription(argument)));
  const options = help.visibleOptions(command).filter(({ long }) => long !== "--help");
  return [`.SS ${quoted(usage)}`, text(command.description()), ...argumentLines, ...options.flatMap((option) => optionLines(option, help))];
}

function optionLines(option: Option, help: Help): string[] {
  const [, names = option.flags, value = ""] = /^([^<[]*?)\s*([<[].*)?$/.exec(option.flags) ?? [];
  return item(`\\fB${text(names)}\\fR${value === "" ? "" : ` \\fI${text(value)}\\fR`}`, help.optionDescription(option));
}

function item(term: string, about: string): string[] {
  return [".TP", term, text(about)];
}

/** roff prints typographic ones for them, which cannot be copied into a shell. */
const plainSigns: Readonly<Record<string, string>> = { "-": "\\-", "~": "\\(ti", "`": "\\(ga", "^": "\\(ha" };

/** Hyphens that can be copied, no escapes, and no line that roff takes for a request. */
function text(plain: string): string {
  const escaped = plain
    .replaceAll("\\", "\\e")
    .replaceAll(/[-~`^]/g, (sign) => plainSigns[sign] ?? sign)
    .replaceAll(/\s+/g, " ");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function quoted(plain: string): string {
  return `"${text(plain).replaceAll('"', "\\(dq")}"`;
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}
