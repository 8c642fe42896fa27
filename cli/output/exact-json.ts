/** In a text without so many digits in a row, a number loses nothing. */
const longNumber = /\d{16}|\d[.eE]/;

/** What JavaScript has since 2023 and TypeScript does not declare yet. */
interface RawJson {
  parse(text: string, reviver: (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
}
const json = JSON as unknown as RawJson;

/** As JSON.parse, but a number that JavaScript would round is kept as it is written, for JSON.stringify to write it so again. */
export function parseJson(text: string): unknown {
  if (!longNumber.test(text)) return JSON.parse(text);
  return json.parse(text, (_key, value, { source }) =>
    typeof value === "number" && source !== undefined && JSON.stringify(value) !== source ? json.rawJSON(source) : value,
  );
}
