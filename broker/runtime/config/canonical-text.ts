import type { SettingType } from "./definition.ts";

/**
 * An acceptable value as Kafka shows it: formatted from the parsed value, not the text as it was set (`ConfigDef.parseType`, then
 * `convertToString`).
 */
export function canonicalText(type: SettingType, text: string): string {
  const trimmed = text.trim();
  switch (type) {
    case "boolean":
      return trimmed.toLowerCase();
    case "short":
    case "int":
    case "long":
      return String(BigInt(trimmed.replace("+", "")));
    case "double":
      return javaDouble(Number(trimmed));
    case "list":
      return trimmed.split(/\s*,\s*/).join(",");
    case "string":
      return trimmed;
  }
}

/** Java's `Double.toString`: a decimal point always, and an exponent outside of 0.001 to 10 million. */
function javaDouble(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  if (size >= 1e-3 && size < 1e7) return withPoint(String(value));
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${withPoint(digits)}E${exponent.replace("+", "")}`;
}

function withPoint(digits: string): string {
  return digits.includes(".") ? digits : `${digits}.0`;
}
