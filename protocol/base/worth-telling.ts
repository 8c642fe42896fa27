/**
 * Whether the failure with this number in a row is logged: the 1st, 2nd, 4th, 8th, ... So a long outage does not fill the log. Also of
 * rounds, which may be fractions: only whole ones are.
 */
export function isWorthTelling(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}
