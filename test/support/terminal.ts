import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Why there is no terminal to be had here; null: there is one. */
export async function terminalMissing(): Promise<string | null> {
  return run("tmux", ["-V"]).then(
    () => null,
    () => "tmux is not installed (Debian: apt-get install tmux)",
  );
}

/** A terminal with a shell in it, in which `ottla` is this checkout's. What is on its screen can be read. */
export class Terminal {
  static #count = 0;
  /** A server of its own: nobody's sessions are touched. */
  readonly #server = `ottla-test-${process.pid}-${Terminal.#count++}`;

  #commands = 0;

  private constructor() {}

  static async open({ columns, rows, environment = {} }: TerminalOptions): Promise<Terminal> {
    const terminal = new Terminal();
    const path = `${dirname(process.execPath)}:${join(root, "bin")}:${process.env.PATH}`;
    const variables = Object.entries({ PATH: path, PS1: "$ ", ENV: "", LC_ALL: "C.UTF-8", ...environment }).map(
      ([name, value]) => `'${name}=${value}'`,
    );
    // whoever runs the tests may have opinions about colours
    const shell = `exec env -u NO_COLOR -u FORCE_COLOR ${variables.join(" ")} sh`;
    await terminal.#tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", String(columns), "-y", String(rows), shell);
    try {
      await waitUntil("a prompt", async () => (await terminal.screen()).includes("$"));
    } catch (error) {
      await terminal.close();
      throw error;
    }
    return terminal;
  }

  async type(line: string): Promise<void> {
    await this.#tmux("send-keys", "-l", line);
    await this.#tmux("send-keys", "Enter");
  }

  async press(key: string): Promise<void> {
    await this.#tmux("send-keys", key);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What is to be seen, line by line, without blanks at the ends. */
  async screen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p")).trimEnd();
  }

  /** The same with the sequences that colour it. */
  async colouredScreen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p", "-e")).trimEnd();
  }

  /** Runs a command on an empty screen; what it leaves there, and its exit code. */
  async shows(command: string): Promise<{ readonly lines: readonly string[]; readonly code: number; readonly coloured: string }> {
    // what the one before left is still there for a moment
    const mark = `<${++this.#commands} ended with`;
    await this.type(`clear; ${command}; echo "${mark} $?>"`);
    const end = new RegExp(`\\n?${mark} (\\d+)>[\\s\\S]*$`);
    await waitUntil(`the end of ${command}`, async () => end.test(await this.screen()));
    const screen = await this.screen();
    const coloured = (await this.colouredScreen()).replace(end, "");
    return { lines: screen.replace(end, "").split("\n"), code: Number(end.exec(screen)?.[1]), coloured };
  }

  async close(): Promise<void> {
    await this.#tmux("kill-server").catch(() => "");
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    return (await run("tmux", ["-L", this.#server, ...args])).stdout;
  }
}
