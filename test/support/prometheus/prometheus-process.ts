import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePorts } from "../free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../test-folder.ts";
import { waitUntil } from "../wait-until.ts";
import type { RuleFile, ScrapeFile } from "./deployed.ts";

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
}

const answerMaxMs = 10_000;

/** A real Prometheus with what is deployed, in a temporary folder. */
export class PrometheusProcess {
  readonly #folder: string;
  readonly #url: string;
  readonly #child: ChildProcess;
  #said = "";

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#url = `http://127.0.0.1:${port}`;
    const options = [`--config.file=${join(folder, "prometheus.yml")}`, `--storage.tsdb.path=${join(folder, "data")}`];
    this.#child = spawn("prometheus", [...options, `--web.listen-address=127.0.0.1:${port}`, "--log.level=warn"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
  }

  static async start(scrapes: ScrapeFile, rules: RuleFile): Promise<PrometheusProcess> {
    const [folder, [port = 0]] = await Promise.all([makeTestFolder("prometheus"), freePorts(1)]);
    await writeFile(join(folder, "prometheus.yml"), stringify(scrapes));
    await writeFile(join(folder, "alerts.yml"), stringify(rules));
    const started = new PrometheusProcess(folder, port);
    try {
      await waitUntil("Prometheus to be ready", async () => (await fetch(`${started.#url}/-/ready`)).ok);
    } catch (error) {
      await started.stop();
      throw new Error(`Prometheus did not start: ${started.#said}`, { cause: error });
    }
    return started;
  }

  /** What it complained about, the newest at the end. */
  get said(): string {
    return this.#said;
  }

  async #ask<T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
    const answer = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`, {
      signal: AbortSignal.timeout(answerMaxMs),
    });
    const { status, data, error } = (await answer.json()) as { readonly status: string; readonly data: T; readonly error?: string };
    if (status !== "success") throw new Error(`${JSON.stringify(parameters)}: ${error}`);
    return data;
  }

  /** Its value now. Rejects when it is not a valid expression. */
  async query(expression: string): Promise<readonly Series[]> {
    return (await this.#ask<{ readonly result: readonly Series[] }>("query", { query: expression })).result;
  }

  async alerts(): Promise<readonly Alert[]> {
    return (await this.#ask<{ readonly alerts: readonly Alert[] }>("alerts")).alerts;
  }

  async firing(): Promise<string[]> {
    const firing = (await this.alerts()).filter(({ state }) => state === "firing");
    return [...new Set(firing.map(({ labels }) => labels.alertname ?? ""))].toSorted();
  }

  /** Of each rule, what went wrong with it; empty: nothing. */
  async ruleProblems(): Promise<Readonly<Record<string, string>>> {
    type Rule = { readonly name: string; readonly health: string; readonly lastError?: string };
    const { groups } = await this.#ask<{ readonly groups: readonly { readonly rules: readonly Rule[] }[] }>("rules");
    const rules = groups.flatMap(({ rules }) => rules);
    return Object.fromEntries(rules.map(({ name, health, lastError = "" }) => [name, health === "ok" ? "" : `${health} ${lastError}`]));
  }

  async scrapeProblems(): Promise<readonly string[]> {
    type Target = { readonly health: string; readonly lastError: string };
    const { activeTargets } = await this.#ask<{ readonly activeTargets: readonly Target[] }>("targets");
    return activeTargets.map(({ health, lastError }) => (health === "up" ? lastError : `${health}: ${lastError}`));
  }

  /** By family, what the scrapes said that it is. */
  async types(): Promise<Readonly<Record<string, string>>> {
    const metadata = await this.#ask<Readonly<Record<string, readonly { readonly type: string }[]>>>("metadata");
    return Object.fromEntries(Object.entries(metadata).map(([name, rows]) => [name, [...new Set(rows.map(({ type }) => type))].join()]));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGTERM");
      await exited;
    }
    await removeTestFolder(this.#folder);
  }
}
