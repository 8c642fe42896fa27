const expression = "a regular expression is written '/…/'";
const expressions = { "-r": expression, "--regex": expression, "--include": expression, "--whitelist": expression };

/**
 * What Kafka's scripts, rpk and kcat call what has another name here. By the command's path ("" of `ottla` itself, "*" of every command)
 * and the word that was typed.
 */
export const namesOfOthers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "": {
    version: "ottla --version",
    health: "ottla cluster describe --check",
    topics: "ottla topic",
    groups: "ottla group",
    brokers: "ottla cluster describe",
    start: "ottla up",
    stop: "ottla down",
  },
  topic: {
    "add-partitions": "ottla topic alter NAME --partitions COUNT (the new total)",
    "alter-config": "ottla topic alter NAME --config NAME=VALUE",
    "describe-storage": "ottla cluster log-dirs --topic NAME",
    "trim-prefix": "ottla topic delete-records NAME --offset PARTITION:OFFSET",
    produce: "ottla produce TOPIC",
    "list-offsets": "ottla topic describe NAME --offsets",
    remove: "ottla topic delete NAME",
    consume: "ottla consume TOPIC",
    info: "ottla topic describe NAME",
  },
  cluster: {
    info: "ottla cluster describe",
    metadata: "ottla cluster describe",
    health: "ottla cluster describe --check",
    config: "ottla cluster describe --configs, and ottla cluster alter --config NAME=VALUE",
    brokers: "ottla cluster describe",
    maintenance: "ottla cluster drain BROKER takes everything from a broker; one that is stopped hands its leaderships over",
    logdirs: "ottla cluster log-dirs",
    partitions: "ottla topic describe, ottla topic elect-leaders, and ottla cluster rebalance",
  },
  group: {
    seek: "ottla group reset-offsets GROUP",
    reset: "ottla group reset-offsets GROUP",
    "offset-delete": "ottla group delete-offsets GROUP --topic NAME",
    info: "ottla group describe GROUP",
  },
  profile: {
    create: "ottla profile add NAME --bootstrap HOST:PORT",
    current: "ottla profile list (the one with *)",
    delete: "ottla profile remove NAME",
    print: "ottla profile list",
    select: "ottla profile use NAME",
    set: "ottla profile add NAME --bootstrap HOST:PORT",
    edit: "ottla profile add NAME --bootstrap HOST:PORT",
  },
  "*": {
    "--brokers": "--bootstrap HOST:PORT,...",
    "--bootstrap-server": "--bootstrap HOST:PORT,...",
    "--bootstrap-servers": "--bootstrap HOST:PORT,...",
    "--broker-list": "--bootstrap HOST:PORT,...",
    "-b": "--bootstrap HOST:PORT,...",
    "-X": "--bootstrap HOST:PORT,...",
  },
  "topic create": {
    "-p": "--partitions COUNT",
    "-r": "--replication-factor COUNT",
    "--replicas": "--replication-factor COUNT",
    "-c": "--config NAME=VALUE",
    "--topic-config": "--config NAME=VALUE",
    "--topic": "the topic's name is an argument",
  },
  "topic alter": { "--topic": "the topic's name is an argument" },
  "topic list": { ...expressions, "-i": "--internal" },
  "topic delete": { ...expressions, "--topic": "the topics' names are arguments" },
  "topic describe": {
    ...expressions,
    "--topic": "the topics' names are arguments",
    "-p": "--offsets (partitions are always shown)",
    "--print-partitions": "--offsets (partitions are always shown)",
    "-c": "--configs",
    "--print-configs": "--configs",
    "-a": "--configs --offsets",
    "--print-all": "--configs --offsets",
    "-s": "its first line",
    "--print-summary": "its first line",
    "--under-replicated-partitions": "--under-replicated",
  },
  consume: {
    ...expressions,
    "--from-beginning": "--from beginning",
    "--max-messages": "--max COUNT",
    "--topic": "the topics are arguments",
    "--offset": "--from beginning, end, OFFSET or TIME, and --until",
    "-n": "--max COUNT",
    "-o": "--from beginning, end, OFFSET or TIME, and --until",
    "-f": "--format FORMAT",
    "-g": "--group NAME",
    "-p": "--partition NUMBER",
    "-c": "--max COUNT",
    "-e": "--until-end",
    "-t": "the topics are arguments",
    "--num": "--max COUNT",
    "--partitions": "--partition NUMBER",
    "--meta-only": "--format '%t %p %o %T %k %h'",
  },
  produce: {
    "-k": "--key TEXT",
    "-K": "--key-separator TEXT",
    "-p": "--partition NUMBER",
    "-H": "--header NAME=VALUE",
    "-z": "--codec NAME",
    "-Z": "--null-value TEXT",
    "--tombstone": "--null-value TEXT",
    "-r": "--key-separator TEXT, or --input json",
    "--timestamp": "timestampMs of a record, with --input json",
    "-f": "--key-separator TEXT, or --input json",
    "-t": "the topic is an argument",
    "--topic": "the topic is an argument",
    "--compression": "--codec NAME",
    "--compression-codec": "--codec NAME",
    "--request-required-acks": "--acks WHO",
  },
  "group reset-offsets": {
    "--execute": "it is done unless --dry-run is given",
    "--group": "the group is an argument",
    "--to": "--to-earliest, --to-latest, --to-offset OFFSET, or --to-datetime TIME",
    "--topics": "--topic NAME",
    "--to-file": "--from-file FILE",
    "--to-group": "--from-file FILE, and `ottla group describe` for the positions of the other",
  },
  "group delete-offsets": { "-t": "--topic NAME[:0,1]", "--group": "the group is an argument" },
  "group describe": { "--group": "the groups are arguments", "-s": "its first line", "--print-summary": "its first line" },
};

/** Of a word that a command does not know. Null: nobody else's name for something, as far as we know. */
export function oursFor(path: string, typed: string): string | null {
  const [name = ""] = typed.split("=");
  // a short option may have its value right behind it
  const word = /^-[^-]/.test(name) ? name.slice(0, 2) : name;
  for (const names of [namesOfOthers[path], namesOfOthers["*"]])
    if (names !== undefined && Object.hasOwn(names, word)) return names[word] ?? null;
  return null;
}
