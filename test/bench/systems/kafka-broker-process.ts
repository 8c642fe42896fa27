import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GuardedProcess } from "../processes/guarded-process.ts";

/** As its own scripts start it (kafka-run-class.sh, kafka-server-start.sh), all but the paths of logs. */
const performanceOptions = [
  "-server",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
  "-Djava.awt.headless=true",
];
const stopGraceMs = 30_000;

export interface KafkaBrokerOptions {
  readonly id: number;
  readonly folder: string;
  readonly classPath: string;
  readonly heapMib: number;
  readonly settings: Readonly<Record<string, string | number>>;
}

/** Of `server.properties`, in the broker's folder. */
export async function writeSettings({ folder, settings }: KafkaBrokerOptions): Promise<string> {
  const file = join(folder, "server.properties");
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(file, lines.join(""));
  return file;
}

/** A broker of Apache Kafka. */
export class KafkaBrokerProcess {
  readonly #options: KafkaBrokerOptions;
  #process: GuardedProcess;

  private constructor(options: KafkaBrokerOptions, process: GuardedProcess) {
    this.#options = options;
    this.#process = process;
  }

  /** Does not wait until it serves. */
  static async start(options: KafkaBrokerOptions): Promise<KafkaBrokerProcess> {
    return new KafkaBrokerProcess(options, await launch(options));
  }

  get id(): number {
    return this.#options.id;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#process.hasEnded;
  }

  get words(): string {
    return this.#process.words;
  }

  async kill(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    this.#process = await launch(this.#options);
  }

  async stop(): Promise<void> {
    await this.#process.stop(stopGraceMs);
  }
}

async function launch(options: KafkaBrokerOptions): Promise<GuardedProcess> {
  const file = await writeSettings(options);
  const heap = [`-Xmx${options.heapMib}m`, `-Xms${options.heapMib}m`];
  return new GuardedProcess("java", [...heap, ...performanceOptions, "-cp", options.classPath, "kafka.Kafka", file], {
    cwd: options.folder,
  });
}
