import type { Admin, ConfigEntry, ConfigResource } from "../../client/index.ts";
import type { Cell } from "../output/table.ts";

/** A setting as `--configs` shows it. Its JSON is this. */
export type ShownConfig = Pick<ConfigEntry, "name" | "value" | "source" | "synonyms">;

export async function describedConfigs(admin: Admin, resource: ConfigResource): Promise<ShownConfig[]> {
  const [described] = await admin.describeConfigs([resource], { synonyms: true });
  if (described === undefined) return [];
  if (described.error !== null) throw described.error;
  return described.configs.map(({ name, value, source, synonyms }) => ({ name, value, source, synonyms }));
}

export const configHead = ["setting", "value", "from", "without it"] as const;

/** Also shows what would be in force next if this value were removed. */
export function configRow({ name, value, source, synonyms }: ShownConfig): Cell[] {
  const next = synonyms.slice(1).map((one) => `${one.name}=${shown(one.value)} (${one.source})`);
  return [name, valueCell(value), source, next.join(", ")];
}

/** A number with some digits in the middle missing would be another one. */
function valueCell(value: string | null): Cell {
  const text = shown(value);
  return { text, neverCut: /^-?\d+(\.\d+)?$/.test(text) };
}

function shown(value: string | null): string {
  return value ?? "-";
}
