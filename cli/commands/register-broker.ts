import type { Command } from "commander";
import { runBroker } from "../../broker/main.ts";
import { collect } from "./command-options.ts";

export function register(program: Command): void {
  program
    .command("broker")
    .description("run one broker in the foreground; settings have Kafka's names (docs/configuration.md)")
    .option("--config <file>", "a server.properties")
    .option("--set <key=value>", "a setting that overrides the file; may be repeated", collect, [])
    .option("--json", "for programs: changes nothing, where one reads the log is a JSON object per line in any case", false)
    .action(async ({ config, set }: { readonly config?: string; readonly set: readonly string[] }) => {
      // the broker's timers do not keep its process alive, and while it waits for ZooKeeper it may have nothing else: Node would end it
      // silently
      const alive = setInterval(() => {}, 2 ** 30);
      await runBroker({ configFile: config ?? null, overrides: set }).finally(() => clearInterval(alive));
    });
}
