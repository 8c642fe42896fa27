import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { DockerComposeEnvironment, type StartedDockerComposeEnvironment, Wait } from "testcontainers";
import { freePorts } from "../support/free-ports.ts";
import { type CommandResult, runCommand, runToSuccess } from "../support/outside/run-command.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const skippedBecause = process.env.OTTLA_CONTAINERS_SKIPPED_BECAUSE || null;
/** Of docker-compose.chaos.yml, which needs an image more. */
export const linksSkippedBecause = process.env.OTTLA_LINKS_SKIPPED_BECAUSE || null;
const startMaxMs = 600_000;
const composeMaxMs = 600_000;

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** Debian's docker-compose where the compose plugin is missing. */
const hasPlugin = succeeds("docker", ["compose", "version"]);

/** Runs docker while everything else goes on: clients of the test's own process have to notice faults at once. */
export async function docker(...args: string[]): Promise<string> {
  return (await runToSuccess("docker", args)).stdout.toString().trim();
}

/** Runs compose, whichever there is. Its exit code says how it went. */
export function dockerCompose(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const [command, ...words] = hasPlugin ? ["docker", "compose", ...args] : ["docker-compose", ...args];
  return runCommand(command, words, { cwd: root, env, timeoutMs: composeMaxMs });
}

export interface ComposeOptions {
  /** From the checkout's root. */
  readonly file: string;
  /** Told from those of other suites. */
  readonly project: string;
  /** What the file takes from the environment, besides the ports that are chosen here. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** The three brokers of a compose file of ours, on ports that were free. */
export class ComposeCluster {
  readonly bootstrap: readonly string[];
  readonly #options: ComposeOptions;
  readonly #environment: StartedDockerComposeEnvironment;
  readonly #variables: Readonly<Record<string, string>>;

  private constructor(
    options: ComposeOptions,
    environment: StartedDockerComposeEnvironment,
    ports: readonly number[],
    variables: Readonly<Record<string, string>>,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#variables = variables;
    this.bootstrap = ports.map((port) => `127.0.0.1:${port}`);
  }

  /** Once all containers are healthy. */
  static async start(options: ComposeOptions): Promise<ComposeCluster> {
    const ports = await freePorts(3);
    const chosen = Object.fromEntries(ports.map((port, index) => [`OTTLA_PORT_${index + 1}`, String(port)]));
    const variables = { ...chosen, ...options.variables };
    const compose = new DockerComposeEnvironment(root, options.file)
      .withProjectName(options.project)
      .withBuild()
      .withEnvironment(variables)
      .withStartupTimeout(startMaxMs)
      .withDefaultWaitStrategy(Wait.forHealthCheck());
    if (!hasPlugin) compose.withClientOptions({ executable: { standalone: true, executablePath: "docker-compose" } });
    return new ComposeCluster(options, await compose.up(), ports, variables);
  }

  /** By label: the compose plugin and Debian's docker-compose name containers differently. Stopped ones too. */
  containerId(service: string): Promise<string> {
    const labels = [`com.docker.compose.project=${this.#options.project}`, `com.docker.compose.service=${service}`];
    return docker("ps", "--all", "--quiet", ...labels.flatMap((label) => ["--filter", `label=${label}`]));
  }

  /** Any command of compose, on these containers. */
  compose(...words: string[]): Promise<CommandResult> {
    const { file, project } = this.#options;
    return dockerCompose(["--file", file, "--project-name", project, ...words], this.#variables);
  }

  async stop(): Promise<void> {
    await this.#environment.down({ removeVolumes: true, timeout: 10_000 });
  }
}
