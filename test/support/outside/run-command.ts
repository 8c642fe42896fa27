import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { Readable } from "node:stream";

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string | Buffer | Readable;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Then it is killed and the promise rejects. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Rejects only when it cannot be started or takes too long; what it printed says the rest. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { input, cwd, env, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...(cwd === undefined ? {} : { cwd }), env: { ...process.env, ...env } });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${command} ${args.join(" ")} did not end within ${timeoutMs} ms\n${Buffer.concat(stderr)}`));
    }, timeoutMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.on("error", () => {}); // it may end before it has read everything
    if (input instanceof Readable) input.pipe(child.stdin);
    else child.stdin.end(input ?? "");
  });
}

/** As `runCommand`, and fails with what it said when its exit code is not 0. */
export async function runToSuccess(command: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(command, args, options);
  if (result.exitCode !== 0)
    throw new Error(`${command} ${args.join(" ")}: exit code ${result.exitCode}\n${result.stderr}${result.stdout}`);
  return result;
}

/** Whether a program of that name can be run. */
export function hasCommand(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
