import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

/** The path of a file in deploy/dashboards. */
export const deployed = (name: string) => fileURLToPath(new URL(`../../../deploy/dashboards/${name}`, import.meta.url));

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export interface ScrapeFile {
  readonly global: Readonly<Record<string, string>>;
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

/** A query of a panel. */
export interface PanelQuery {
  readonly panel: string;
  readonly expr: string;
  readonly legend: string;
}

const textOf = (name: string) => readFileSync(deployed(name), "utf8");

export const readRules = () => parse(textOf("alerts.yml")) as RuleFile;
export const readScrapes = () => parse(textOf("prometheus.yml")) as ScrapeFile;

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[] };
}

export const readDashboard = () => JSON.parse(textOf("grafana/ottla.json")) as Dashboard;

export function panelQueries(): readonly PanelQuery[] {
  return readDashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ panel: title, expr, legend: legendFormat })),
  );
}

/** A variable of the dashboard, whose values are those of a label. */
export interface VariableQuery {
  readonly name: string;
  readonly metric: string;
  readonly label: string;
}

export function variableQueries(): readonly VariableQuery[] {
  return readDashboard().templating.list.flatMap(({ name, query }) => {
    if (typeof query === "string") return [];
    const [, metric = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(query.query) ?? [];
    return [{ name, metric, label }];
  });
}

/** The metrics of a query, each with its labels. */
export function selectorsIn(query: string): string[] {
  return [...query.matchAll(/\b(?:up|(?:ottla|process|nodejs)_[a-z_]+)\b(?:\{[^}]*\})?/g)].map(([selector]) => selector);
}
