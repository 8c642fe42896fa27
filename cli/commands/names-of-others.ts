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
    consume: "ottla consume TOPIC",
    info: "ottla topic describe NAME",
  },
  cluster: {
    info: "ottla cluster describe",
    metadata: "ottla cluster describe",
    health: "ottla cluster describe --check",
    config: "ottla cluster describe --configs, and ottla cluster alter --config NAME=VALUE",
    logdirs: "ottla cluster log-dirs",
    partitions: "ottla topic describe",
  },
  group: {
    seek: "ottla group reset-offsets GROUP",
    info: "ottla group describe GROUP",
  },
  profile: {
    create: "ottla profile add NAME --bootstrap HOST:PORT",
    current: "ottla profile list (the one with *)",
    delete: "ottla profile remove NAME",
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
  "topic delete": { "--topic": "the topics' names are arguments" },
  "topic describe": { "--topic": "the topics' names are arguments", "--under-replicated-partitions": "--under-replicated" },
  consume: {
    "--from-beginning": "--from beginning",
    "--max-messages": "--max COUNT",
    "--topic": "the topics are arguments",
    "--offset": "--from beginning, end, OFFSET or TIME",
    "-n": "--max COUNT",
    "-o": "--from beginning, end, OFFSET or TIME",
    "-f": "--format FORMAT",
    "-g": "--group NAME",
    "-p": "--partition NUMBER",
    "-c": "--max COUNT",
    "-e": "--until-end",
    "-t": "the topics are arguments",
    "--num": "--max COUNT",
  },
  produce: {
    "-k": "--key TEXT",
    "-K": "--key-separator TEXT",
    "-p": "--partition NUMBER",
    "-H": "--header NAME=VALUE",
    "-z": "--codec NAME",
    "-f": "--key-separator TEXT, or --input json",
    "-t": "the topic is an argument",
    "--topic": "the topic is an argument",
    "--compression": "--codec NAME",
    "--compression-codec": "--codec NAME",
    "--request-required-acks": "--acks WHO",
  },
  "group reset-offsets": { "--execute": "it is done unless --dry-run is given", "--group": "the group is an argument" },
  "group describe": { "--group": "the groups are arguments" },
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
