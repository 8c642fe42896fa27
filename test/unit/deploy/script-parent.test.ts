import { expect, test } from "vitest";

interface Machine {
  readonly script: string | undefined;
  readonly program: string;
  readonly pid: number;
  readonly commandLine: (pid: number) => readonly string[] | null;
  readonly parentOf: (pid: number) => number | null;
}
type ScriptProcesses = (machine: Machine) => readonly (readonly [number, number])[];

const source = new URL("../../../deploy/script-parent.mjs", import.meta.url).href;
const { scriptProcesses } = (await import(source)) as { readonly scriptProcesses: ScriptProcesses };

const script = "node deploy/run.mjs cli/main.ts up";

/** Our process 30 and its parents: npm 10, perhaps with a shell 20 in between. */
function watched(of: string | undefined, commands: Readonly<Record<number, readonly string[]>>, program = "run.mjs") {
  const parents = new Map(commands[20] === undefined ? [[30, 10]] : [[30, 20], [20, 10]] as [number, number][]); // biome-ignore format: pairs
  return scriptProcesses({
    script: of,
    program,
    pid: 30,
    commandLine: (pid) => commands[pid] ?? null,
    parentOf: (pid) => parents.get(pid) ?? null,
  });
}
const shell = (of: string) => ({ 10: ["npm start"], 20: ["sh", "-c", of] });

test("a script's program ends with its shell and with npm above it; npm adds the user's arguments", () => {
  expect(watched(script, shell(`${script} --port 19092`))).toEqual([
    [30, 20],
    [20, 10],
  ]);
});

test("where the shell has become the program, npm is its parent", () => {
  expect(watched(script, { 10: ["npm start"] })).toEqual([[30, 10]]);
  expect(watched("ottla up", { 10: ["node", "/usr/bin/pnpm", "start"] }, "ottla")).toEqual([[30, 10]]);
  expect(watched("ottla up", { 10: ["node", "/usr/lib/npm/bin/npm-cli.js", "start"] }, "ottla")).toEqual([[30, 10]]);
  expect(watched(script, { 10: ["npm start --port 19092 --data /tmp/x"] })).toEqual([[30, 10]]);
});

test("what a script leaves behind on purpose is not ended", () => {
  for (const leaving of ["ottla up &", "nohup ottla up", "ottla up > log 2>&1 & echo started", "setsid -f ottla up"])
    expect(watched(leaving, shell(leaving), "ottla"), leaving).toEqual([]);
  for (const waiting of ["prepare && ottla up", "ottla up 2>&1 | tee log", "FORCE=1 npx ottla up; echo ended", "ottla up &> log"])
    expect(watched(waiting, shell(waiting), "ottla"), waiting).toHaveLength(2);
});

test("a program that was not started by a script, or by another script's program, has nothing to end with", () => {
  expect(watched(undefined, { 10: ["bash"] })).toEqual([]);
  expect(watched(script, { 10: ["bash"] }), "a shell that was opened from npm").toEqual([]);
  expect(watched("./start.sh", { 10: ["npm start"], 20: ["sh", "./start.sh"] }, "ottla")).toEqual([]);
  expect(watched("ottla up", { 10: ["node", "/root/.npm/_npx/1/dev-server.js"] }, "ottla"), "a program that npm once installed").toEqual(
    [],
  );
  expect(watched(" ", { 10: ["npm start"] }, ""), "a program without a name").toEqual([]);
  expect(watched(script, {}), "a parent that cannot be looked at").toEqual([]);
});
