/** What a value is, for people: "an object", "undefined". Never its contents. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  const name = typeof value === "object" ? Object.prototype.toString.call(value).slice("[object ".length, -1) : typeof value;
  const kind = name === "Object" || name === "Array" ? name.toLowerCase() : name;
  return `${/^[aeio]/i.test(kind) ? "an" : "a"} ${kind}`;
}

/** A number as it is; of anything else, what it is. */
export function shownValue(value: unknown): string {
  return typeof value === "number" ? String(value) : kindOf(value);
}
