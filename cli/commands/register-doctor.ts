import type { Command } from "commander";
import { Admin } from "../../client/admin/admin.ts";
import { doctor } from "../doctor/doctor-command.ts";
import { shellWord } from "../doctor/finding.ts";
import { tellingRuntime } from "../output/complaints.ts";
import { Output } from "../output/output.ts";
import { withCluster } from "../session/client-session.ts";
import { type CommonOptions, seconds, wholeNumber, withCommonOptions } from "./command-options.ts";
import { type MetricsOptions, withMetricsOption } from "./metrics-option.ts";

interface DoctorOptions extends CommonOptions, MetricsOptions {
  readonly profile?: string;
  readonly observe: number;
  readonly timeout: number;
}

export function register(program: Command): void {
  const command = program
    .command("doctor")
    .description("what is wrong with a cluster, or soon may be, and what to do; exit code 1 when somebody should do something")
    .option("--observe <seconds>", "how long to look at what should move: groups, reassignments, event loops", seconds(1), 5)
    .option("--timeout <seconds>", "how long one question may take", wholeNumber(1, 3600), 10);
  withCommonOptions(withMetricsOption(command)).action(async (options: DoctorOptions, called: Command) => {
    const { bootstrap, json, observe, timeout, metrics, profile } = options;
    const timeoutMs = timeout * 1000;
    const isNamed = called.getOptionValueSource("bootstrap") === "cli";
    const target = isNamed ? ` --bootstrap ${bootstrap.join(",")}` : profile === undefined ? "" : ` --profile ${shellWord(profile)}`;
    const isWell = await withCluster(
      bootstrap,
      async (stop) => {
        await using admin = new Admin({
          bootstrap,
          clientId: "ottla-doctor",
          operationTimeoutMs: timeoutMs,
          requestTimeoutMs: timeoutMs,
          connectTimeoutMs: Math.min(timeoutMs, 5000),
          signal: stop,
        });
        const { clock } = tellingRuntime;
        const gathering = {
          admin,
          bootstrap,
          clock,
          metricsNamed: metrics,
          observeMs: observe * 1000,
          answerMaxMs: Math.min(timeoutMs, 5000),
          stop,
        };
        // the client is closed on return
        return await doctor(gathering, { output: new Output(process.stdout), json, target });
      },
      timeoutMs,
    );
    if (!isWell) process.exitCode = 1;
  });
}
