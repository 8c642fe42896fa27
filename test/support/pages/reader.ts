import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../test-folder.ts";
import { Shell } from "./shell.ts";
import { UpProcess } from "./up-process.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const brokers = 3;
/** What pages show: where a cluster listens unless told otherwise. */
const shownPort = 9092;
/** So that the columns of tables are as wide as with those. */
const portsAsWide = { first: 5_000, last: 10_000 };
const commandMaxMs = 60_000;
const startCommand = "npm start";
const askBrokers = "topic|produce|consume|group|cluster|bench";

/**
 * Does what a page tells its reader, in a folder of its own, with a cluster on ports that are free. Commands and what they print are
 * translated: the page's addresses and process ids stand for those of this cluster.
 */
export class Reader {
  readonly #folder: string;
  readonly #port: number;
  readonly #shell: Shell;
  #cluster: UpProcess | null = null;
  /** By the process ids that the page shows. */
  readonly #pids = new Map<string, string>();

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.#shell = new Shell(folder, { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, NO_COLOR: "1" });
  }

  static async begin(name: string): Promise<Reader> {
    const folder = await makeTestFolder(`page-${name}`);
    const [port = 0] = await freePorts(brokers, { adjacent: true, ...portsAsWide });
    await mkdir(join(folder, "bin"));
    // those that ask brokers are told where this cluster is
    const command = join(root, "bin", "ottla");
    const script = `#!/bin/sh\ncase "$1" in ${askBrokers}) set -- "$@" --bootstrap 127.0.0.1:${port} ;; esac\nexec '${command}' "$@"\n`;
    await writeFile(join(folder, "bin", "ottla"), script, { mode: 0o755 });
    await symlink(join(root, "examples"), join(folder, "examples"));
    return new Reader(folder, port);
  }

  /** The lines printed, as the page would show them. `shown`: what it shows now. */
  async run(command: string, shown: readonly string[]): Promise<string[]> {
    if (command === startCommand) return this.#start(shown);
    const printed = await this.#shell.run(this.#ours(command), commandMaxMs);
    return printed.map((line) => this.#asShown(line));
  }

  /** The lines that a program of the page prints, which must end well. */
  async runProgram(source: string): Promise<string[]> {
    const client = JSON.stringify(join(root, "client", "index.ts"));
    await writeFile(join(this.#folder, "program.ts"), this.#ours(source).replaceAll('from "ottla"', `from ${client}`));
    const printed = await this.#shell.run("node program.ts; echo exit code $?", commandMaxMs);
    if (printed.at(-1) !== "exit code 0") throw new Error(printed.join("\n"));
    return printed.slice(0, -1);
  }

  async #start(shown: readonly string[]): Promise<string[]> {
    this.#cluster = await UpProcess.start(join(root, "bin", "ottla"), this.#folder, this.#port, shown.length);
    const printed = this.#cluster.printed;
    for (const [index, line] of shown.entries()) {
      const [theirs, ours] = [pidIn(line), pidIn(printed[index] ?? "")];
      if (theirs !== null && ours !== null) this.#pids.set(theirs, ours);
    }
    return printed.map((line) => this.#asShown(line));
  }

  #ours(command: string): string {
    const there = command.replaceAll(addresses, (_, port) => `127.0.0.1:${Number(port) - shownPort + this.#port}`);
    return [...this.#pids].reduce((text, [shown, real]) => text.replaceAll(new RegExp(`\\b${shown}\\b`, "g"), real), there);
  }

  #asShown(line: string): string {
    const there = line.replaceAll(addresses, (whole, text) => {
      const place = Number(text) - this.#port;
      const isOurs = [place, place - metricsPortDistance].some((index) => index >= 0 && index < brokers);
      return isOurs ? `127.0.0.1:${shownPort + place}` : whole;
    });
    const pid = [...this.#pids].find(([, real]) => real === pidIn(line));
    const named = pid === undefined ? there : there.replace(`pid ${pid[1]}`, `pid ${pid[0]}`);
    return named.replaceAll(` --bootstrap 127.0.0.1:${shownPort}`, "").replaceAll(`${this.#folder}/`, "");
  }

  async end(): Promise<void> {
    await this.#shell.stop();
    await this.#cluster?.stop();
    await removeTestFolder(this.#folder);
  }
}

/** As `ottla up` has it. */
const metricsPortDistance = 312;

const addresses = /127\.0\.0\.1:(\d+)/g;

function pidIn(line: string): string | null {
  return /\bpid (\d+)/.exec(line)?.[1] ?? null;
}
