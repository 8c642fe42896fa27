import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Probe } from "kubernetes-types/core/v1.js";
import { runCommand } from "../outside/run-command.ts";
import { baseText, type Manifests } from "./manifests.ts";
import { containerOf, environmentOf, type Pod, portOf } from "./pod.ts";

export interface PodProcessOptions {
  readonly manifests: Manifests;
  readonly pod: Pod;
  /** By the port of a container, what stands for it: there is one machine, and no DNS. */
  readonly ports: ReadonlyMap<number, number>;
  /** Its volumes are folders in it. */
  readonly folder: string;
  /** What takes the place of `zookeeper.connect`. */
  readonly zookeeper: string;
  readonly api: { readonly url: string; readonly tokenFile: string; readonly certificateFile: string };
}

const mainFile = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));
const probeMaxMs = 5_000;

/** The containers of a broker's pod, as processes of this machine: what the manifests give them, with paths and addresses of here. */
export class PodProcess {
  readonly #options: PodProcessOptions;
  #broker: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(options: PodProcessOptions) {
    this.#options = options;
  }

  get #spec() {
    return this.#options.manifests.podSpec(this.#options.pod.statefulSet);
  }

  #address(port: number): string {
    const here = this.#options.ports.get(port);
    if (here === undefined) throw new Error(`nothing stands for port ${port}`);
    return `127.0.0.1:${here}`;
  }

  #here(text: string): string {
    const { folder, zookeeper, api, pod } = this.#options;
    return text
      .replaceAll(/(?:[\w-]+\.ottla-brokers\.[\w-]+\.svc|0\.0\.0\.0|127\.0\.0\.1):(\d+)/g, (_, port: string) => this.#address(Number(port)))
      .replaceAll("https://kubernetes.default.svc", api.url)
      .replaceAll("/run/kubernetes-api/token", api.tokenFile)
      .replaceAll("/run/kubernetes-api/ca.crt", api.certificateFile)
      .replaceAll(
        "/etc/ottla/zone-as-rack.mjs",
        fileURLToPath(new URL("../../../deploy/kubernetes/base/zone-as-rack.mjs", import.meta.url)),
      )
      .replaceAll(/\/(etc|run|var\/lib)\/ottla\b/g, join(folder, "$1-ottla"))
      .replaceAll(/(?<=zookeeper\.connect=).*(?=\/ottla)/g, `${zookeeper}/${pod.namespace}`);
  }

  environmentOf(container: string): Record<string, string> {
    const environment = environmentOf(containerOf(this.#spec, container), this.#options.pod);
    return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, this.#here(value)]));
  }

  /** Runs the init container to its end, then starts the broker. Rejects with what the former says when it fails. */
  async start(): Promise<void> {
    const { folder } = this.#options;
    for (const name of ["etc-ottla", "run-ottla", "var"]) await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, "etc-ottla", "server.properties"), this.#here(baseText("server.properties")));
    const { command = [] } = containerOf(this.#spec, "zone-as-rack");
    const [, ...args] = command.map((word) => this.#here(word));
    const ran = await runCommand(process.execPath, args, { env: this.environmentOf("zone-as-rack") });
    if (ran.exitCode !== 0) throw new Error(ran.stderr);
    this.#startBroker();
  }

  #startBroker(): void {
    const { args = [] } = containerOf(this.#spec, "broker");
    const log = openSync(join(this.#options.folder, "broker.log"), "a");
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const env = { PATH, NODE_COMPILE_CACHE, ...this.environmentOf("broker") };
    const broker = spawn(process.execPath, [mainFile, ...args.map((word) => this.#here(word))], { stdio: ["ignore", log, log], env });
    closeSync(log);
    this.#broker = broker;
    this.#ended = new Promise((resolve) => broker.once("exit", (code) => resolve(code)));
  }

  /** What the kubelet would find. */
  async answers(probe: "readinessProbe" | "livenessProbe"): Promise<boolean> {
    const container = containerOf(this.#spec, "broker");
    const { path = "", port = "" } = (container[probe] as Probe).httpGet ?? {};
    const url = `http://${this.#address(portOf(container, port))}${path}`;
    return fetch(url, { signal: AbortSignal.timeout(probeMaxMs) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** SIGTERM, and SIGKILL when the pod's grace period is over. Its exit code; null: it was killed. */
  async terminate(): Promise<number | null> {
    const broker = this.#broker;
    if (broker === null) return null;
    const { terminationGracePeriodSeconds = 30 } = this.#spec;
    broker.kill("SIGTERM");
    const late = setTimeout(() => broker.kill("SIGKILL"), terminationGracePeriodSeconds * 1000);
    const code = await this.#ended;
    clearTimeout(late);
    this.#broker = null;
    return code;
  }

  async kill(): Promise<void> {
    this.#broker?.kill("SIGKILL");
    await this.#ended;
  }
}
