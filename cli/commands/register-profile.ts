import type { Command } from "commander";
import { UsageError } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { add, list, type ProfileParts, remove, use } from "../profile/profile-commands.ts";
import { profileFilePath } from "../profile/profile-file.ts";
import { parseBootstrap } from "./command-options.ts";

interface Options {
  readonly json: boolean;
}

interface AddOptions extends Options {
  readonly bootstrap: readonly string[];
  readonly use: boolean;
  readonly replace: boolean;
}

export function register(program: Command): void {
  const profile = program.command("profile").description("remember clusters by name, so that commands need no --bootstrap");
  withJson(profile.command("add").description("remember a cluster; the first one is taken into use at once"))
    .argument("<name>")
    .requiredOption("--bootstrap <host:port,...>", "its brokers, some of them; without a port it is 9092", parseBootstrap)
    .option("--use", "take it into use", false)
    .option("--replace", "give other brokers to a profile that there is", false)
    .action((name: string, options: AddOptions) => add(name, { bootstrap: options.bootstrap }, options, parts(options)));
  withJson(profile.command("use").description("the cluster that commands go to from now on"))
    .argument("[name]")
    .option("--none", "go to 127.0.0.1:9092 again", false)
    .action(async (name: string | undefined, options: Options & { readonly none: boolean }) => {
      if ((name === undefined) !== options.none) throw new UsageError("name a profile, or give --none");
      await use(name ?? null, parts(options));
      tellWhatComesFirst();
    });
  withJson(profile.command("list").description("all of them; the one in use has a *")).action(async (options: Options) => {
    await list(parts(options));
    tellWhatComesFirst();
  });
  withJson(profile.command("remove").description("forget profiles"))
    .argument("<name...>")
    .action((names: string[], options: Options) => remove(names, parts(options)));
}

function withJson(command: Command): Command {
  return command.option("--json", "print JSON, for programs", false);
}

function parts({ json }: Options): ProfileParts {
  return { path: profileFilePath(process.env), json, output: new Output(process.stdout) };
}

function tellWhatComesFirst(): void {
  const { OTTLA_BOOTSTRAP = "" } = process.env;
  if (OTTLA_BOOTSTRAP.trim() !== "") complain(`OTTLA_BOOTSTRAP is set (${OTTLA_BOOTSTRAP}), and comes before the profile in use`);
}
